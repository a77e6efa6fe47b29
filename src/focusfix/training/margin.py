"""The border of a crop that no loss and no score looks at."""

from torch import Tensor

_WIDEST_EDGE_PX = 16
_EDGE_GRID_PX = 8


def edge_px(crop_px: int) -> int:
    """Width of the border of a crop that no loss looks at; pixels.

    There a network sees the end of its crop, which in an image lies in the halo. At most 16 and
    an eighth of the crop, on a grid that the coarser scales of a network share.

    Parameters
    ----------
    crop_px : int
        Side of the crop; pixels.
    """
    return min(_WIDEST_EDGE_PX, crop_px // 8 // _EDGE_GRID_PX * _EDGE_GRID_PX)


def inner(images: Tensor) -> Tensor:
    """Cut the border off square crops (..., Y, X)."""
    edge = edge_px(images.shape[-1])
    height, width = images.shape[-2:]
    return images[..., edge : height - edge, edge : width - edge]
