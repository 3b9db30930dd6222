"""Text of others, made safe for a terminal."""

from __future__ import annotations

import unicodedata

# What may not reach a terminal: control characters (C0 and C1, so every escape sequence), those
# that turn the direction of what follows, and lone surrogates, which no terminal can be sent.
REPLACED = ("Cc", "Cs", "Zl", "Zp")
BIDI = frozenset(map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
KEPT = frozenset("\n\t")
# U+2400 is the picture of NUL; those of the other C0 characters follow it.
PICTURES = 0x2400
DELETE = 0x7F


def printable(text: str) -> str:
    """The text without anything that a terminal would obey; what is replaced stays visible."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def one_line(text: str) -> str:
    """The same for a cell of a table or a message: on one line."""
    return printable(" ".join(text.split()))


def _shown(character: str) -> str:
    if character in KEPT:
        return character
    if character not in BIDI and unicodedata.category(character) not in REPLACED:
        return character
    code = ord(character)
    if code == DELETE:
        return "\u2421"
    return chr(PICTURES + code) if code < ord(" ") else "\ufffd"
