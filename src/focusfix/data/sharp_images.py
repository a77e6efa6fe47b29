"""Sharp images as training material: find them, keep those in focus, set some aside."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from focusfix.errors import InputError
from focusfix.optics import FloatArray


@dataclass(frozen=True)
class SharpImage:
    """One sharp plane.

    Parameters
    ----------
    path : Path
        Where it was read.
    plane : ndarray, shape (Y, X), float32
        Intensities in [0, 1].
    """

    path: Path
    plane: FloatArray


def read_sharp_images(paths: Iterable[Path], *, absorbing: bool = False) -> list[SharpImage]:
    """Read images, one plane per channel, each scaled to its own full range.

    Parameters
    ----------
    paths : iterable of Path
        PNG or TIFF files, gray, RGB or with channels.
    absorbing : bool
        Bright-field images: scaled by their maximum alone and split into colour planes.

    Returns
    -------
    list of SharpImage
        In the order of the paths.

    Raises
    ------
    InputError
        If there is no image at all, or one has pixels that are not finite.
    """
    from focusfix.io.image import open_image

    images: list[SharpImage] = []
    for path in paths:
        with open_image(path) as reader:
            for plane in range(len(reader.metadata.planes)):
                pixels = reader.read_window(plane, slice(None), slice(None))
                if not np.isfinite(pixels).all():
                    raise InputError(
                        f"{path} holds NaN or infinite pixels.",
                        "Replace them, or remove this image from the training data.",
                    )
                images.extend(
                    SharpImage(path, scaled)
                    for scaled in _planes_of(pixels.astype(np.float32), absorbing=absorbing)
                )
    if not images:
        raise InputError("No sharp images were found.", "Name a folder with PNG or TIFF images.")
    return images


def _planes_of(pixels: FloatArray, *, absorbing: bool) -> list[FloatArray]:
    channels = pixels[..., :3]
    if channels.shape[-1] == 3 and not absorbing and np.ptp(channels, axis=-1).max() == 0:
        channels = channels[..., :1]
    planes = []
    for channel in np.moveaxis(channels, -1, 0):
        low = 0.0 if absorbing else float(np.percentile(channel, 1))
        high = float(channel.max())
        if high > low:
            planes.append(np.clip((channel - low) / (high - low), 0, 1).astype(np.float32))
    return planes


def edge_sharpness(plane: FloatArray) -> float:
    """Measure the steepest edges against the contrast of the image.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Any intensities.

    Returns
    -------
    float
        99.5th percentile of the smoothed gradient over the 0.5-99.5 percentile range; 1 / pixel.
    """
    from scipy.ndimage import gaussian_gradient_magnitude

    low, high = np.percentile(plane, [0.5, 99.5])
    slope = np.percentile(gaussian_gradient_magnitude(plane, 1.0), 99.5)
    return float(slope / max(high - low, 1e-6))


def keep_in_focus(
    images: Sequence[SharpImage], *, drop_share: float, fewest: int = 1
) -> list[SharpImage]:
    """Drop the least sharp images among those of the same size.

    Parameters
    ----------
    images : sequence of SharpImage
        Candidates.
    drop_share : float
        Share to drop within each size, 0 to 1.
    fewest : int
        Sizes with fewer images are kept whole: among a handful, the least sharp one may be sharp.

    Returns
    -------
    list of SharpImage
        The others, in their order.
    """
    by_size: dict[tuple[int, ...], list[float]] = {}
    values = [edge_sharpness(image.plane) for image in images]
    for image, value in zip(images, values, strict=True):
        by_size.setdefault(image.plane.shape, []).append(value)
    limits = {
        size: float(np.quantile(found, drop_share)) if len(found) >= fewest else -math.inf
        for size, found in by_size.items()
    }
    return [i for i, v in zip(images, values, strict=True) if v >= limits[i.plane.shape]]


def split_of(path: Path, *, test_share: float = 0.12, validation_share: float = 0.05) -> str:
    """Assign a file to training, validation or test by its name alone.

    Parameters
    ----------
    path : Path
        Only the name counts, so that the split survives moving and adding files.
    test_share, validation_share : float
        Shares of all files, 0 to 1.

    Returns
    -------
    str
        "train", "validation" or "test".
    """
    position = hashlib.sha256(path.name.encode()).digest()[0] / 256
    if position < test_share:
        return "test"
    return "validation" if position < test_share + validation_share else "train"
