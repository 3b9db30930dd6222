"""`python -m demo.train.fixtures`: greedy outputs of transformers' own Llama, for comparison.

The exported half-precision weights are computed with in float32, without sampling, penalties or
a key-value cache of another implementation. Each case keeps its smallest gap between the two best
logits: an implementation that rounds differently may part from it only where that gap is tiny.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from .__main__ import FOLDER

FILE = Path(__file__).parents[2] / "tests" / "demo" / "fixtures" / "greedy.json"
NEW_TOKENS = 128
MIN_GAP = 1e-3
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}


@dataclass(frozen=True)
class Prompt:
    """A named prompt: a chat if it has messages, else a text with or without the begin token."""

    name: str
    messages: tuple[dict[str, str], ...] = ()
    text: str = ""
    begin: bool = True
    scored: bool = False

    def ids(self, tokenizer: PreTrainedTokenizerFast) -> list[int]:
        """The token ids that the model gets."""
        if self.messages:
            return tokenizer.apply_chat_template(
                list(self.messages), add_generation_prompt=True, return_dict=False
            )
        return tokenizer.encode(self.text, add_special_tokens=self.begin)


def user(text: str) -> dict[str, str]:
    """A user's message."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    """A message of the model."""
    return {"role": "assistant", "content": text}


PROMPTS = (
    Prompt("hello", (user("Hello!"),), scored=True),
    Prompt("start", (SYSTEM, user("How do I start the server?")), scored=True),
    Prompt("endpoints", (user("which endpoints are there"),)),
    Prompt("add-model", (user("How do I add a model?"),)),
    Prompt("stream", (user("How do I stream an answer?"),)),
    Prompt("curl", (user("Show me a curl example."),)),
    Prompt("sum", (user("What is 3 + 4?"),)),
    Prompt("difference", (user("17 - 9"),)),
    Prompt("count", (user("Count to one hundred."),)),
    Prompt("joke", (user("Tell me a joke."),)),
    Prompt("unknown", (user("Who wrote Hamlet?"),)),
    Prompt("hello-zh", (user("你好"),), scored=True),
    Prompt("start-zh", (user("怎么启动服务器？"),)),
    Prompt("clients-zh", (user("支持哪些客户端？"),)),
    Prompt("sum-zh", (user("5加8等于多少？"),)),
    Prompt(
        "turns",
        (
            SYSTEM,
            user("Hi, my name is Anna."),
            assistant("Nice to meet you, Anna! 😊 How can I help you?"),
            user("What is my name?"),
        ),
    ),
    Prompt("story", text="Once upon a time", scored=True),
    Prompt("story-no-begin", text="Once upon a time, there was a brave", begin=False),
    Prompt("story-zh", text="从前，有一只小猫"),
)


@torch.inference_mode()
def greedy(model: LlamaForCausalLM, prompt: Prompt, ids: list[int]) -> dict[str, Any]:
    """The greedy output for a prompt, with its smallest gap and the first token's scores."""
    end, output, gaps = model.config.eos_token_id, [], []
    case: dict[str, Any] = {"name": prompt.name, "prompt": ids}
    while len(output) < NEW_TOKENS and (not output or output[-1] != end):
        logits = model(torch.tensor([ids + output]), use_cache=False).logits[0, -1]
        best = logits.topk(2)
        gaps.append(float(best.values[0] - best.values[1]))
        if prompt.scored and not output:
            top = logits.log_softmax(-1).topk(5)
            case["first"] = {
                "ids": top.indices.tolist(),
                "logprobs": [round(p, 6) for p in top.values.tolist()],
            }
        output.append(int(best.indices[0]))
    return {**case, "output": output, "min_gap": round(min(gaps), 5)}


def main() -> None:
    """Writes the fixture file; a case with a near tie is an error."""
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    model = LlamaForCausalLM.from_pretrained(FOLDER, local_files_only=True, dtype=torch.float32)
    cases = [greedy(model.eval(), prompt, prompt.ids(tokenizer)) for prompt in PROMPTS]
    ties = [case["name"] for case in cases if case["min_gap"] <= MIN_GAP]
    if ties:
        raise SystemExit(f"near ties, choose other prompts: {', '.join(ties)}")
    content = {
        "made_by": "python -m demo.train.fixtures",
        "reference": f"LlamaForCausalLM of transformers {transformers.__version__}, float32, "
        f"torch {torch.__version__}",
        "weights_sha256": hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest(),
        "cases": cases,
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
