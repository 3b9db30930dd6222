"""What the forward pass needs of a Hugging Face Llama's config.json."""

import json
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROPE_THETA = 10000.0


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes in elements, lengths in tokens."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_size: int
    max_len: int
    rms_norm_eps: float
    rope_theta: float
    is_embedding_tied: bool
    start_id: int
    end_id: int

    @property
    def num_groups(self) -> int:
        """Query heads per key-value head."""
        return self.num_heads // self.num_kv_heads

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.num_heads * self.head_size

    @property
    def kv_size(self) -> int:
        """Width of all key heads together, and of all value heads."""
        return self.num_kv_heads * self.head_size


def read_config(folder: Path) -> LlamaConfig:
    """Read `folder/config.json`. Raises `ValueError` for what the forward pass does not do."""
    config = json.loads((folder / "config.json").read_text())
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    _check(config, rope)
    num_heads = config["num_attention_heads"]
    return LlamaConfig(
        vocab_size=config["vocab_size"],
        hidden_size=config["hidden_size"],
        intermediate_size=config["intermediate_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=num_heads,
        num_kv_heads=config.get("num_key_value_heads") or num_heads,
        head_size=config.get("head_dim") or config["hidden_size"] // num_heads,
        max_len=config["max_position_embeddings"],
        rms_norm_eps=config.get("rms_norm_eps", 1e-6),
        rope_theta=config.get("rope_theta") or rope.get("rope_theta", DEFAULT_ROPE_THETA),
        is_embedding_tied=config.get("tie_word_embeddings", False),
        start_id=_first_id(config.get("bos_token_id"), 1),
        end_id=_first_id(config.get("eos_token_id"), 2),
    )


def _check(config: dict[str, object], rope: dict[str, object]) -> None:
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ValueError("config.json asks for scaled rotary embeddings, which are not implemented")
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise ValueError("config.json asks for biases, which are not implemented")
    if config.get("hidden_act", "silu") != "silu":
        raise ValueError("config.json asks for another activation than silu")


def _first_id(value: int | list[int] | None, default: int) -> int:
    """Newer configurations list several end tokens; FasterTransformer knows one."""
    if isinstance(value, list):
        return value[0]
    return default if value is None else value
