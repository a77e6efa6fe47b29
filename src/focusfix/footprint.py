"""How far a network looks: what the tile engine must know of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """Spatial dependence of one network's output on its input.

    Parameters
    ----------
    reach_px : int
        Farthest input pixel, along one axis, that an output pixel depends on; pixels >= 0.
    stride_px : int
        Grid on which the network is shift-equivariant: shifting the input by a multiple of it
        shifts the output by the same amount; pixels >= 1.
    exact : bool
        Whether tiles with a halo of at least the reach reproduce the whole image.
        False for networks with global statistics or dense heads, which are blended instead.
    """

    reach_px: int
    stride_px: int
    exact: bool = True

    @property
    def halo_px(self) -> int:
        """Smallest multiple of the stride that covers the reach; pixels."""
        return -(-self.reach_px // self.stride_px) * self.stride_px
