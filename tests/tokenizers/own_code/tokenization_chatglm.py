# ruff: noqa
"""A slow tokenizer in the form that chatglm2 ships: our own code, for the loader's tests,
in the Python of its time.

What it shares with the published one: PyTorch is imported and not used, the base class is
initialised before there is a vocabulary, the names of the end and padding tokens are properties
without setters, command tokens lie behind the vocabulary and decode to nothing, several ids have
the empty text, and `_pad` has the signature of 2023.
"""

from typing import Any, Dict, List, Optional, Union

import torch  # noqa: F401  # as the published file does, which uses nothing of it
from sentencepiece import SentencePieceProcessor
from transformers import PreTrainedTokenizer
from transformers.tokenization_utils_base import BatchEncoding, EncodedInput
from transformers.utils import PaddingStrategy, logging  # noqa: F401

COMMANDS = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"]


class Pieces:
    def __init__(self, path: str) -> None:
        self.model = SentencePieceProcessor(model_file=path)
        self.size = self.model.vocab_size()
        self.commands = {name: self.size + at for at, name in enumerate(COMMANDS)}
        self.silent = {self.model.bos_id(), self.model.eos_id(), self.model.unk_id()}
        self.num_ids = self.size + len(COMMANDS)

    def id_of(self, token: str) -> int:
        return self.commands.get(token, self.model.PieceToId(token))

    def token_of(self, index: int) -> str:
        if index in self.silent or index < 0 or index >= self.size:
            return ""
        return self.model.IdToPiece(index)


class ChatGLMTokenizer(PreTrainedTokenizer):
    vocab_files_names = {"vocab_file": "tokenizer.model"}
    model_input_names = ["input_ids", "attention_mask", "position_ids"]

    def __init__(self, vocab_file: str, padding_side: str = "left", **kwargs: Any) -> None:
        super().__init__(padding_side=padding_side, clean_up_tokenization_spaces=False, **kwargs)
        self.name = "GLMTokenizer"
        self.vocab_file = vocab_file
        self.tokenizer = Pieces(vocab_file)
        self.special_tokens = {
            "<bos>": self.tokenizer.model.bos_id(),
            "<eos>": self.tokenizer.model.eos_id(),
            "<pad>": self.tokenizer.model.unk_id(),
        }

    def get_command(self, token: str) -> int:
        if token in self.special_tokens:
            return self.special_tokens[token]
        return self.tokenizer.commands[token]

    @property
    def unk_token(self) -> str:
        return "<unk>"

    @property
    def pad_token(self) -> str:
        return "<unk>"

    @property
    def pad_token_id(self) -> int:
        return self.get_command("<pad>")

    @property
    def eos_token(self) -> str:
        return "</s>"

    @property
    def eos_token_id(self) -> int:
        return self.get_command("<eos>")

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.num_ids

    def get_vocab(self) -> Dict[str, int]:
        vocab = {self._convert_id_to_token(i): i for i in range(self.vocab_size)}
        vocab.update(self.added_tokens_encoder)
        return vocab

    def _tokenize(self, text: str, **kwargs: Any) -> List[str]:
        return self.tokenizer.model.EncodeAsPieces(text)

    def _convert_token_to_id(self, token: str) -> int:
        return self.tokenizer.id_of(token)

    def _convert_id_to_token(self, index: int) -> str:
        return self.tokenizer.token_of(index)

    def convert_tokens_to_string(self, tokens: List[str]) -> str:
        return self.tokenizer.model.DecodePieces(tokens)

    def get_prefix_tokens(self) -> List[int]:
        return [self.get_command("[gMASK]"), self.get_command("sop")]

    def build_inputs_with_special_tokens(
        self, token_ids_0: List[int], token_ids_1: Optional[List[int]] = None
    ) -> List[int]:
        ids = self.get_prefix_tokens() + token_ids_0
        if token_ids_1 is not None:
            ids = ids + token_ids_1 + [self.get_command("<eos>")]
        return ids

    def _pad(
        self,
        encoded_inputs: Union[Dict[str, EncodedInput], BatchEncoding],
        max_length: Optional[int] = None,
        padding_strategy: PaddingStrategy = PaddingStrategy.DO_NOT_PAD,
        pad_to_multiple_of: Optional[int] = None,
        return_attention_mask: Optional[bool] = None,
    ) -> dict:
        assert self.padding_side == "left"
        length = len(encoded_inputs["input_ids"])
        encoded_inputs.setdefault("attention_mask", [1] * length)
        encoded_inputs.setdefault("position_ids", list(range(length)))
        return encoded_inputs
