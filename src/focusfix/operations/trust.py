"""How far a restoration can be believed: the errors to expect, and whether it explains the image.

What a lens blurs must come from what is in focus: the restored image, blurred by the blur that is
read from the image, has to give the image back. What it does not give back is an error of the
restoration, or of the reading. The opposite does not hold: structure that the blur wipes out leaves
no trace, whether it is right or invented, so that passing this check proves little far from focus.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from focusfix.config import TrustCalibration
from focusfix.errors import ModelError
from focusfix.metrics.defocus import typical_distance
from focusfix.metrics.noise import rms_without_noise

if TYPE_CHECKING:
    import numpy.typing as npt

    from focusfix.models.base import Restorer
    from focusfix.models.latent_line import LatentLine
    from focusfix.runtime.device import Device

    Plane = npt.NDArray[np.float32]

_EDGE_RADII = 1.5
_MOST_EDGE_SHARE = 0.25


@dataclass(frozen=True)
class ReblurCheck:
    """What is left between an image and its restoration blurred again.

    Parameters
    ----------
    residual : float
        Root mean square, noise from pixel to pixel apart; in the unit of the image.
    contrast : float
        Standard deviation of the image, noise apart; in the same unit.
    blur_radius_px, blur_radius_error_px : float
        Blur radius that was read from the image, and its expected error; pixels.
    """

    residual: float
    contrast: float
    blur_radius_px: float
    blur_radius_error_px: float

    @property
    def share(self) -> float:
        """Residual over contrast; 0 for an image without contrast."""
        return self.residual / self.contrast if self.contrast > 0 else 0.0


def as_reader(network: "Restorer", name: str) -> "LatentLine":
    """Check that a network reads blur.

    Raises
    ------
    ModelError
        If it does not.
    """
    from focusfix.models.latent_line import LatentLine

    if not isinstance(network, LatentLine):
        raise ModelError(
            f"The weights {name} do not read blur, which trust is measured with.",
            "Install the latent-line weights that ship with focusfix.",
        )
    return network


def bind_trust(
    network: "Restorer", reader: "LatentLine", calibration: TrustCalibration | None
) -> "Restorer":
    """Bind the map of errors to expect of one network.

    Parameters
    ----------
    network : Restorer
        Restores one image.
    reader : LatentLine
        Reads blur and blurs again.
    calibration : TrustCalibration, optional
        Of the network; without it the map is uncalibrated.

    Returns
    -------
    Restorer
        Its output less its input is the map, on the nominal scale.

    Raises
    ------
    ModelError
        If the calibration is for other signs than those that are measured.
    """
    from focusfix.models.bound_trust import TrustMap, TrustSigns

    try:
        return TrustMap(
            TrustSigns(network, reader), None if calibration is None else calibration.weights
        )
    except ValueError as error:
        raise ModelError(
            f"The calibration of the trust map does not fit this focusfix: {error}.",
            "Use the weights that ship with it.",
        ) from error


def check_reblur(
    image: "Plane", restored: "Plane", reader: "LatentLine", device: "Device"
) -> ReblurCheck:
    """Blur a restoration as the image is blurred, and compare.

    Parameters
    ----------
    image, restored : ndarray of float32, shape (Y, X)
        One window before and after, on the nominal scale of the image; Y and X are multiples of
        the reader's stride.
    reader : LatentLine
        With its weights; moved to the device.
    device : Device
        Where to run.

    Returns
    -------
    ReblurCheck
        Of the window without an edge of one and a half blur radii, at most a quarter of it, which
        light from outside reaches.
    """
    import torch

    from focusfix.models.enlarging import enlarge_bilinear

    _bring(reader, device)
    pair = [torch.from_numpy(each)[None, None].to(device.name) for each in (image, restored)]
    with torch.inference_mode():
        found = reader.read_blur(pair[0])
        blur = enlarge_bilinear(found[0], reader.footprint.stride_px)
        again = reader.ladder(pair[1], blur)[0, 0].cpu().numpy()
    radius, error = typical_distance(*(each.cpu().numpy() for each in found))
    edge = min(int(_EDGE_RADII * radius) + 1, int(min(image.shape) * _MOST_EDGE_SHARE))
    inside = (slice(edge, -edge),) * 2
    return ReblurCheck(
        residual=rms_without_noise((image - again)[inside], brightness=again[inside]),
        contrast=rms_without_noise((image - image[inside].mean())[inside]),
        blur_radius_px=radius,
        blur_radius_error_px=error,
    )


def _bring(reader: "LatentLine", device: "Device") -> None:
    """Move a network to a device, if it is not there: going through its modules takes time."""
    if reader.training or str(next(reader.parameters()).device) != device.name:
        reader.eval().to(device.name)
