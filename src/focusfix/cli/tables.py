"""Plain tables and lists for stdout: the same on a terminal and in a file."""

from collections.abc import Iterable, Mapping, Sequence


def format_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a table in columns of equal width.

    Parameters
    ----------
    titles : sequence of str
        One per column.
    rows : iterable of sequence
        Cells; None is shown as a dash.

    Returns
    -------
    str
        Lines without trailing blanks.

    Examples
    --------
    >>> print(format_table(("name", "size"), [("a", 1), ("bcdefg", None)]))
    name    size
    a       1
    bcdefg  -
    """
    cells = [list(titles), *([_show(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def format_facts(heading: str, facts: Mapping[str, object]) -> str:
    """Lay out named values below a heading; those that are None are left out.

    Parameters
    ----------
    heading : str
        First line.
    facts : mapping of str to object
        Values by name.

    Returns
    -------
    str
        Lines; the names in a column of equal width.

    Examples
    --------
    >>> print(format_facts("a.tif", {"axes": "ZYX", "unit": None}))
    a.tif
      axes  ZYX
    """
    known = {name: value for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    lines = [f"  {name.ljust(width)}  {value}" for name, value in known.items()]
    return "\n".join([heading, *lines])


def _show(cell: object) -> str:
    return "-" if cell is None else str(cell)
