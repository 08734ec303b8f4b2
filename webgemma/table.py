"""Tables of plain text, aligned with spaces."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "  "


def format_table(
    rows: Sequence[Sequence[object]], *, header: Sequence[str] = (), right: Sequence[int] = ()
) -> str:
    """Lay out rows in columns.

    Args:
        rows: Cells of each row; every row has as many.
        header: Names of the columns; none by default.
        right: Columns that are aligned to the right, counted from 0.

    >>> print(format_table([("a", 1), ("bcd", 20)], header=("name", "n"), right=(1,)))
    name   n
    a      1
    bcd   20
    """
    lines = [[str(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    if not lines:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        GAP.join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
