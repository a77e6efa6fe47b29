"""How much of its halo a U-Net needs on the way up: less than on the way down.

What lies far from the wanted pixels reaches them through the small sizes only. At the full size,
where most of the work is, the decoder needs a few pixels around them.
"""

from typing import NamedTuple


class Margins(NamedTuple):
    """What one block of the decoder works on.

    Parameters
    ----------
    there : int
        Margin of the encoder's features of the same size; pixels of that size.
    seen : int
        Margin of what the block is to see.
    wanted : int
        Margin of what is wanted of it.
    """

    there: int
    seen: int
    wanted: int


def decoder_margins(
    margin_px: int, sizes: int, radius: int, *, result_radius: int = 0, doubling_radius: int = 0
) -> list[Margins]:
    """Trace the margin that is needed from the result to the bottom of a U-Net.

    Parameters
    ----------
    margin_px : int
        Pixels on every side of the image that are not wanted; a multiple of the network's stride.
    sizes : int
        Sizes in pixels, each half of the one before; at the smallest nothing is convolved
        on the way up.
    radius : int
        Of all convolutions of one block together; pixels of its size.
    result_radius : int
        Of what makes the result from the decoder's features; pixels.
    doubling_radius : int
        Of doubling the size; pixels of the smaller one.

    Returns
    -------
    list of Margins
        Largest size first. A block sees no more than there is: at the edge of the tile, it sees
        the edge.
    """
    found = []
    wanted = min(result_radius, margin_px)
    for size in range(sizes):
        there = margin_px // 2**size
        seen = min(wanted + radius, there) if size < sizes - 1 else wanted
        found.append(Margins(there, seen, wanted))
        wanted = min(-(-seen // 2) + doubling_radius, there // 2)
    return found
