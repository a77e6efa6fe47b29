"""Rows of numbers as the user gives them: first, last and step."""

import math

from focusfix.errors import UsageError

_TOLERANCE = 1e-6
_MOST_STEPS = 1000


def parse_grid(option: str, text: str) -> list[float]:
    """Read ``A:B:STEP`` as a grid that ends at B exactly.

    Parameters
    ----------
    option : str
        Name of the option, for the message.
    text : str
        What the user gave.

    Returns
    -------
    list of float
        From A to B, each made of whole numbers of steps.

    Raises
    ------
    UsageError
        If it has another form, or the steps do not lead from A to B.

    Examples
    --------
    >>> parse_grid("--alphas", "0:1:0.25")
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    try:
        first, last, step = (float(part) for part in text.split(":"))
        if not all(map(math.isfinite, (first, last, step))):
            raise ValueError(text)
    except ValueError:
        raise UsageError(
            f"{option} takes FIRST:LAST:STEP, not {text!r}.", "Give three numbers, as in 0:1:0.1."
        ) from None
    steps = (last - first) / step if step else 0.0
    count = round(steps)
    if not 1 <= count <= _MOST_STEPS or abs(steps - count) > _TOLERANCE * count:
        raise UsageError(
            f"{option} {text}: steps of {step:g} do not lead from {first:g} to {last:g}.",
            "Give a step of which a whole number, at most 1000, makes the way.",
        )
    return [(first * (count - k) + last * k) / count for k in range(count + 1)]


def parse_finite(text: str) -> float | None:
    """Read a number; None if it is none, or not finite."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def parse_distances(text: str) -> list[float]:
    """Read ``--dz-um`` of interpolate: a number, or ``A:B:STEP``; micrometres.

    Raises
    ------
    UsageError
        If it is something else.

    Examples
    --------
    >>> parse_distances("-1:1:0.5")
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    if ":" in text:
        return parse_grid("--dz-um", text)
    distance = parse_finite(text)
    if distance is None:
        raise UsageError(
            f"--dz-um takes A:B:STEP or a number here, not {text!r}.",
            "Give micrometres, as in -4:4:0.5.",
        )
    return [distance]
