"""What a user can have done to an image: a model and its parameters become a tile function."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError
from focusfix.io.image import ImageReader

if TYPE_CHECKING:
    from focusfix.models.base import Restorer
    from focusfix.runtime.device import Device
    from focusfix.runtime.executor import NetworkFunction

_PIXELS_PER_CALL = 1 << 22


def deblur_function(
    network: "Restorer",
    header: CheckpointHeader,
    *,
    device: "Device",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    runtime: Literal["auto", "torch", "openvino"] = "auto",
    margin_px: int = 0,
) -> "NetworkFunction":
    """Bind a network as the function that turns out-of-focus tiles into in-focus ones.

    Parameters
    ----------
    network : Restorer
        With its trained weights.
    header : CheckpointHeader
        Of the file that the weights come from.
    device : Device
        Where to run.
    precision, runtime, margin_px
        As in `focusfix.runtime.executor.build_tile_function`.

    Returns
    -------
    NetworkFunction
        Maps (N, 1, Y, X) float32, nominal range [0, 1], to the same shape.

    Raises
    ------
    ModelError
        If the model was not trained to deblur.
    DeviceError
        If the runtime cannot be had.
    """
    if "deblur" not in header.abilities:
        abilities = ", ".join(header.abilities)
        raise ModelError(
            f"The model {header.model} was trained to {abilities}, not to deblur.",
            "Choose another with --model; focusfix models list shows what each one can do.",
        )
    from focusfix.runtime.executor import build_tile_function

    return build_tile_function(
        network, device=device, precision=precision, runtime=runtime, margin_px=margin_px
    )


def choose_batch_size(tile_shape: tuple[int, int], device: "Device") -> int:
    """Choose how many tiles are computed at once.

    Parameters
    ----------
    tile_shape : tuple of int
        Height and width of a tile; pixels.
    device : Device
        Where the network runs.

    Returns
    -------
    int
        1 on the CPU, where more tiles cost memory and gain nothing; elsewhere as many as make
        about four million pixels.
    """
    if device.kind == "cpu":
        return 1
    return max(_PIXELS_PER_CALL // (tile_shape[0] * tile_shape[1]), 1)


class ReaderSource:
    """An image file as the tile engine sees it.

    Parameters
    ----------
    reader : ImageReader
        Stays open as long as this is used.
    """

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self.shape_yx = reader.metadata.shape_yx
        self.n_planes = reader.metadata.n_planes
        self.samples = reader.metadata.samples
        self.dtype: np.dtype[Any] = reader.metadata.dtype

    @property
    def channel_of_plane(self) -> tuple[int, ...]:
        """Channel of each plane, for fitting one intensity scale per channel."""
        return tuple(plane.channel for plane in self._reader.metadata.planes)

    @property
    def copied_samples(self) -> tuple[int, ...]:
        """Samples that are no intensities: the alpha of grey or RGB images."""
        return (self.samples - 1,) if self.samples in {2, 4} else ()

    def read_window(self, plane: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Read stored intensities.

        Parameters
        ----------
        plane : int
            Position of the plane.
        rows, columns : slice
            Window inside the plane; pixels.

        Returns
        -------
        ndarray, shape (rows, columns, samples)
            In the type of the file.
        """
        return self._reader.read_window(plane, rows, columns)
