"""Read the distance of whole planes from focus with a network whose blur code is one number."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from focusfix.errors import InputError, ModelError
from focusfix.metrics.defocus import FloatMap, signal_share

if TYPE_CHECKING:
    import torch

    from focusfix.config import CheckpointHeader
    from focusfix.models.manifold_line import ManifoldLineAutoencoder

DISTANCE_READERS = ("manifold-1d",)
"""Registry names of the networks that tell distances in micrometres on their own."""

_CORE_PX = 1024


class CodeDistance(NamedTuple):
    """How far a plane is from focus, as its blur code tells.

    Parameters
    ----------
    value_um : float
        Distance; micrometres. Signed if the network can tell the sides of focus apart, else not
        negative.
    confidence : float
        1 for a reading without scatter, 0 for one no better than a guess; 0 to 1.
    error_um : float
        Root-mean-square error of reading such codes in training; micrometres.
    value_map_um, error_map_um : ndarray of float32, shape (Y // cell_px, X // cell_px)
        Distance and error of each block, read for itself.
    """

    value_um: float
    confidence: float
    error_um: float
    value_map_um: FloatMap
    error_map_um: FloatMap


class CodeDistanceReader:
    """Distance from focus as a network reads it; tiles give what the whole plane would.

    Parameters
    ----------
    network : ManifoldLineAutoencoder
        With its weights and a known curve.

    Raises
    ------
    ModelError
        If the weights hold no calibration.
    """

    def __init__(self, network: "ManifoldLineAutoencoder") -> None:
        network.check_calibration()
        self._network = network.eval()
        footprint = network.footprint
        self.cell_px = footprint.stride_px
        self.signed = bool(network.curve.signed)
        self._margin_px = -(-footprint.reach_px // self.cell_px) * self.cell_px
        self._core_px = max(_CORE_PX // self.cell_px, 1) * self.cell_px

    def read(self, image: FloatMap) -> CodeDistance:
        """Read the distance of a plane, and of its blocks.

        Parameters
        ----------
        image : ndarray of float32, shape (Y, X)
            Intensities scaled to a nominal [0, 1]. What is beyond whole blocks at the lower and
            right edge is left out.

        Returns
        -------
        CodeDistance
            The code of the plane is the mean over its blocks, each weighed by the share of its
            variance that is not noise: training draws crops where there is something to see, and
            empty blocks look as if they were in focus. The errors of blocks are divided by that
            share.

        Raises
        ------
        InputError
            If the image is smaller than one block.
        """
        import torch

        cell = self.cell_px
        if min(image.shape) < cell:
            raise InputError(
                f"The image is {image.shape[1]} x {image.shape[0]} pixels, and these weights read "
                f"distance from focus in blocks of {cell} x {cell} pixels.",
                "Give a larger image, or weights that read smaller blocks.",
            )
        rows, columns = (size // cell * cell for size in image.shape)
        whole = torch.from_numpy(np.array(image[:rows, :columns], dtype=np.float32))
        with torch.inference_mode():
            codes = self._read_codes(whole)
            curve = self._network.curve
            share = signal_share(whole.numpy(), cell)
            weights = torch.from_numpy(share)
            mean = (codes * weights).sum() / weights.sum()
            values, trust = curve.read(torch.cat([mean[None], codes.flatten()]))
            errors = curve.prior_um * (1 - trust)
        value_map, error_map = (each[1:].reshape(codes.shape).numpy() for each in (values, errors))
        return CodeDistance(
            value_um=float(values[0]),
            confidence=float(trust[0]),
            error_um=float(errors[0]),
            value_map_um=value_map,
            error_map_um=np.asarray(error_map / share, dtype=np.float32),
        )

    def _read_codes(self, whole: "torch.Tensor") -> "torch.Tensor":
        """Read the code of every block, tile by tile."""
        cell, margin, core = self.cell_px, self._margin_px, self._core_px
        codes = whole.new_empty([size // cell for size in whole.shape])
        for top in range(0, whole.shape[0], core):
            for left in range(0, whole.shape[1], core):
                first = [max(at - margin, 0) for at in (top, left)]
                tile = whole[first[0] : top + core + margin, first[1] : left + core + margin]
                read = self._network.read_blocks(tile[None, None])[0, 0]
                y, x = top // cell, left // cell
                target = codes[y : y + core // cell, x : x + core // cell]
                skip = [y - first[0] // cell, x - first[1] // cell]
                target.copy_(
                    read[skip[0] : skip[0] + target.shape[0], skip[1] : skip[1] + target.shape[1]]
                )
        return codes


def load_distance_reader(path: Path) -> "tuple[CodeDistanceReader, CheckpointHeader]":
    """Load weights that tell distances in micrometres on their own.

    Parameters
    ----------
    path : Path
        Weights file.

    Returns
    -------
    reader : CodeDistanceReader
        Ready to read, on the processor.
    header : CheckpointHeader
        Description of the weights.

    Raises
    ------
    ModelError
        If the file is not as it should be, its network does not tell distances, or training did
        not know any.
    """
    from focusfix.io.checkpoint import load_checkpoint
    from focusfix.models.manifold_line import ManifoldLineAutoencoder

    network, header = load_checkpoint(path)
    if not isinstance(network, ManifoldLineAutoencoder):
        raise ModelError(
            f"{path} is a {header.model}, which does not tell distances from focus.",
            f"Give weights of: {', '.join(DISTANCE_READERS)}.",
        )
    return CodeDistanceReader(network), header
