"""Writes tests/demo/fixtures/minilm.json: vectors from PyTorch and transformers' BertModel.

Run once, in an environment of its own, after `python -m demo` has fetched the weights:

    pip install torch==2.13.0 transformers==5.23.0
    python -m demo.reference.minilm_reference
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, BertModel

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "demo" / "models" / "all-minilm-l6-v2"
FIXTURE = ROOT / "tests" / "demo" / "fixtures" / "minilm.json"

DIGITS = 7
"""Decimals kept: a float32's precision for values around 1."""

TEXTS = (
    "Hello, Triton",
    "The quick brown fox jumps over the lazy dog.",
    "Whoever steals the property of another shall be punished.",
    "Paris is the capital and most populous city of France, with about two million inhabitants.",
    "今天天气很好，我们去公园散步吧。",
    "深度学习是机器学习的一个分支。",
    "I love this 😍🚀 so much!",
    "word " * 200,
)


def main() -> None:
    """Compute all vectors and write the fixture."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = BertModel.from_pretrained(MODEL).eval()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    cases = [_case(tokenizer, model, text) for text in TEXTS]
    content = {"made_by": "demo/reference/minilm_reference.py", **versions, "cases": cases}
    FIXTURE.write_text(json.dumps(content, ensure_ascii=False) + "\n")


@torch.no_grad()
def _case(tokenizer: AutoTokenizer, model: BertModel, text: str) -> dict[str, object]:
    """The text's ids, its [CLS]'s hidden state `[384]`, and its mean-pooled unit vector `[384]`."""
    ids = tokenizer(text, truncation=False)["input_ids"]
    hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    pooled = torch.nn.functional.normalize(hidden.mean(0), dim=0)
    return {
        "text": text,
        "input_ids": ids,
        "cls_hidden_state": _rounded(hidden[0]),
        "embedding": _rounded(pooled),
    }


def _rounded(vector: torch.Tensor) -> list[float]:
    return [round(value, DIGITS) for value in vector.tolist()]


if __name__ == "__main__":
    main()
