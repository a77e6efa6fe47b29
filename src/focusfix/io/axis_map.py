"""Which stored dimension is which axis of an image, in any format."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AxisMap:
    """Axes of an image and the stored dimensions behind them.

    Parameters
    ----------
    axes : str
        Letters as shown: plane axes, then "YX" or "YXS".
    order : tuple of int
        For each letter of ``axes``, the stored dimension it is.
    notes : tuple of str
        What the user should know of the choice.
    """

    axes: str
    order: tuple[int, ...]
    notes: tuple[str, ...]
