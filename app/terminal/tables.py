"""Tables that fit a terminal, and lose nothing where there is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from app.terminal.escapes import one_line
from app.terminal.styles import is_coloured

# Wider than any row: what a program reads is not wrapped.
UNLIMITED = 100_000
STYLES = {"yes": "green", "no": "red"}


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """To standard output. Cells may be texts of others; a long last column is wrapped."""
    # A library of some size, which only those who see a table wait for.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal, has_colours = sys.stdout.isatty(), is_coloured(sys.stdout)
    console = Console(
        width=None if is_terminal else UNLIMITED,
        no_color=not has_colours,
        force_terminal=is_terminal,
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, header_style="bold" if has_colours else "")
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading != headings[-1])
    for row in rows:
        cells = [one_line(cell) for cell in row]
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in cells))
    console.print(table)
