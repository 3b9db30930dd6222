"""Opening a model's Hugging Face folder: local files only, and its own code only if allowed."""

from __future__ import annotations

import importlib.machinery
import json
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class TokenizerLoadError(Exception):
    """A folder without a usable tokenizer; the message is one sentence with the remedy."""


def load_hub_tokenizer(folder: Path, *, trust_remote_code: bool) -> Any:
    """The folder's `transformers` tokenizer. Raises TokenizerLoadError."""
    code = _own_code(folder)
    if code is not None and "--" in code:
        raise TokenizerLoadError(
            f"The tokenizer in {folder} names Python code outside its folder ({code}); copy that "
            'file into the folder, read it, and name it in "auto_map" without what stands '
            'before "--".'
        )
    if code is not None and not trust_remote_code:
        raise TokenizerLoadError(
            f"The tokenizer in {folder} needs the folder's own Python code ({code}); read that "
            'code, and if you trust it set "trust_remote_code": true in the model\'s entry of the '
            "configuration."
        )
    try:
        return _open(folder, code)
    except Exception as error:  # whatever a folder's files or code may raise
        raise TokenizerLoadError(_sentence(folder, error)) from error


def _own_code(folder: Path) -> str | None:
    """The class in the folder's own code, as `module.Class`, that its tokenizer needs."""
    if not folder.is_dir():
        raise TokenizerLoadError(
            f"{folder} is not a folder; put the model's Hugging Face folder there or correct the "
            "path in the configuration."
        )
    config = _read_config(folder / "tokenizer_config.json")
    code = _named_class(config)
    # Older folders name it with the model's classes. It matters where no other class is named.
    if code is None and not config.get("tokenizer_class"):
        return _named_class(_read_config(folder / "config.json"))
    return code


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise TokenizerLoadError(
            f"{file} is not valid JSON ({error}); copy it again from the model's repository."
        ) from None
    return config if isinstance(config, dict) else {}


def _named_class(config: dict[str, Any]) -> str | None:
    """What `auto_map` names as the class of the tokenizer, None for one of `transformers`."""
    names = config.get("auto_map")
    if isinstance(names, dict):
        names = names.get("AutoTokenizer")
    if isinstance(names, str):
        return names
    if not isinstance(names, (list, tuple)):
        return None
    named = [str(name) for name in names if name]  # [slow, fast], either may be null
    return named[-1] if named else None


def _open(folder: Path, code: str | None) -> Any:
    # Read when `transformers` is imported: no advice is printed.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    if code is None:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    with _empty_torch():
        own = get_class_from_dynamic_module(code, folder, local_files_only=True)
    return _for_today(own).from_pretrained(folder, local_files_only=True)


@contextmanager
def _empty_torch() -> Iterator[None]:
    """Lets `import torch` in a folder's tokenizer code succeed where PyTorch is not installed.

    chatglm2's file imports it and uses nothing of it; without this the whole of PyTorch would have
    to be installed beside the server.
    """
    if "torch" in sys.modules or importlib.machinery.PathFinder.find_spec("torch") is not None:
        yield
        return
    import transformers.utils.import_utils  # looks for torch once, before the empty one is there

    transformers.utils.import_utils.is_torch_available()
    module = types.ModuleType("torch", "Empty: PyTorch is not installed.")
    module.__spec__ = importlib.machinery.ModuleSpec("torch", None)
    sys.modules["torch"] = module
    try:
        yield
    finally:
        del sys.modules["torch"]


def _for_today(own: type[Any]) -> type[Any]:
    """A folder's slow class, so that it may call `super().__init__` before it has a vocabulary.

    The base class of 2023 asked for no vocabulary there; since transformers 4.34 it adds the
    special tokens at that point, which asks for one. So these are put off until it is there.
    """
    from transformers import PreTrainedTokenizer

    if not issubclass(own, PreTrainedTokenizer):
        return own

    class LateVocabulary(own):  # type: ignore[misc]  # its base is only known now
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            postponed: list[tuple[Any, bool]] = []
            self.__dict__["_postponed_tokens"] = postponed
            super().__init__(*args, **kwargs)
            self.__dict__["_postponed_tokens"] = None
            for tokens, are_special in postponed:
                super()._add_tokens(tokens, special_tokens=are_special)

        def _add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
            postponed = self.__dict__.get("_postponed_tokens")
            if postponed is None:
                added: int = super()._add_tokens(new_tokens, special_tokens=special_tokens)
                return added
            postponed.append((new_tokens, special_tokens))
            return 0

    LateVocabulary.__name__ = LateVocabulary.__qualname__ = own.__name__
    return LateVocabulary


def _sentence(folder: Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()
    return (
        f"The tokenizer in {folder} cannot be loaded ({type(error).__name__}: "
        f"{reason[0] if reason else 'no reason given'}); check that the folder holds all the "
        "tokenizer files of the model's repository."
    )
