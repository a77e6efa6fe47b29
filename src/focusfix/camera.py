"""A microscope's camera: how light becomes grey values, with all the noise that comes along."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FloatArray = NDArray[np.float32]


class CameraSettings(BaseModel):
    """How light becomes grey values.

    Parameters
    ----------
    offset : float
        Grey value of darkness.
    counts_per_electron : float
        Grey values per detected photo-electron.
    read_noise : float
        Standard deviation of the read noise; grey values.
    bit_depth : int
        Grey values saturate at 2**bit_depth - 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    offset: float = 100.0
    counts_per_electron: float = Field(default=0.34, gt=0)
    read_noise: float = Field(default=1.5, ge=0)
    bit_depth: int = Field(default=12, ge=1, le=16)


def expose_camera(
    counts: FloatArray, camera: CameraSettings, generator: np.random.Generator
) -> FloatArray:
    """Record an image: shot noise, read noise, offset, rounding and saturation.

    Parameters
    ----------
    counts : ndarray, shape (..., Y, X)
        Expected grey values above the offset; >= 0.
    camera : CameraSettings
        Gain, noise and bit depth.
    generator : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    ndarray, shape (..., Y, X), float32
        Whole grey values in [0, 2**bit_depth - 1].
    """
    electrons = generator.poisson(np.maximum(counts, 0) / camera.counts_per_electron)
    noisy = electrons * camera.counts_per_electron + camera.offset
    noisy = noisy + generator.normal(0, camera.read_noise, counts.shape)
    return np.clip(np.rint(noisy), 0, 2**camera.bit_depth - 1).astype(np.float32)
