"""The client of the contracts, and what the demo's own contract answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from demo.environment import DEMO
from demo.triton import TritonServer
from tests.live.contracts.client import ContractClient

END_ID = 2


@pytest.fixture(scope="session")
def contracts(tritonserver: TritonServer) -> ContractClient:
    """Raw calls to the session's Triton."""
    return ContractClient(tritonserver.grpc_url)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The language model's tokenizer."""
    return Tokenizer.from_file(str(DEMO / "models" / "demo-chat" / "tokenizer.json"))


@pytest.fixture(scope="session")
def encode(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    """A text's ids as it is, without special tokens added."""
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


@pytest.fixture(scope="session")
def decode(tokenizer: Tokenizer) -> Callable[[Any], str]:
    """The text of ids, without special tokens."""
    return lambda ids: tokenizer.decode(list(ids))


@pytest.fixture(scope="session")
def greedy(contracts: ContractClient) -> Callable[[list[int], int], list[int]]:
    """What demo-chat answers to a prompt, without its end token."""

    def answer(prompt: list[int], max_tokens: int) -> list[int]:
        arrays = {
            "input_ids": np.array([prompt], np.uint32),
            "input_lengths": np.array([[len(prompt)]], np.uint32),
            "request_output_len": np.array([[max_tokens]], np.uint32),
            "end_id": np.array([[END_ID]], np.uint32),
        }
        last = contracts.messages("demo-chat", arrays)[-1].tensors
        ids = last["output_ids"][0, 0, len(prompt) : int(last["sequence_length"][0, 0])].tolist()
        return ids[:-1] if ids[-1] == END_ID else ids

    return answer
