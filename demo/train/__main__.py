"""`python -m demo.train`: generates the corpus, trains tokenizer and model, and exports them."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from .model import build_model
from .settings import Settings
from .tokenizer import build_tokenizer
from .train import figures, train

FOLDER = Path(__file__).parent.parent / "models" / "demo-chat"
FIGURES = Path(__file__).parent / "figures.json"


def machine() -> str:
    """The machine in general words."""
    accelerator = torch.accelerator.current_accelerator()
    return f"{os.cpu_count()} CPU cores" + (f", {accelerator.type}" if accelerator else "")


def main() -> None:
    """Reads the options and runs the training."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m demo.train", description=__doc__)
    parser.add_argument("--tokens", type=int, default=defaults.tokens)
    parser.add_argument("--minutes", type=float, default=defaults.minutes)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--rate", type=float, default=defaults.peak_rate)
    parser.add_argument("--threads", type=int, default=defaults.threads)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the exported model")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="file for the run's figures")
    parser.add_argument("--resume", type=Path, help="exported folder to start from")
    options = parser.parse_args()
    settings = Settings(
        options.tokens, options.minutes, options.seed, options.threads, peak_rate=options.rate
    )
    if options.resume:
        tokenizer = AutoTokenizer.from_pretrained(options.resume, local_files_only=True)
        model = LlamaForCausalLM.from_pretrained(
            options.resume, local_files_only=True, dtype=torch.float32
        )
    else:
        torch.manual_seed(settings.seed)
        tokenizer = build_tokenizer(settings.seed)
        model = build_model(tokenizer)
    progress = train(settings, model, tokenizer, options.out)
    parts = json.loads(options.figures.read_text("utf-8"))["parts"] if options.resume else []
    parts.append(figures(settings, progress, machine()))
    options.figures.write_text(json.dumps({"parts": parts}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
