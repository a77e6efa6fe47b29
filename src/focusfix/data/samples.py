"""What can be drawn from focal series for training: pairs, triplets, groups, pairs of factors."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class CropPair(NamedTuple):
    """One crop of a field out of focus and in focus, on the field's intensity scale.

    Parameters
    ----------
    out_of_focus, in_focus : ndarray, shape (crop_px, crop_px), float32
        Nominal range [0, 1].
    """

    out_of_focus: FloatArray
    in_focus: FloatArray


class CropTriplet(NamedTuple):
    """One crop of a field at three levels on one side of focus.

    Parameters
    ----------
    sharper, between, blurrier : ndarray, shape (crop_px, crop_px), float32
        On the field's intensity scale, nominal range [0, 1].
    alpha : float
        Weight of the sharper level in the one between; 0 < alpha < 1.
    """

    sharper: FloatArray
    between: FloatArray
    blurrier: FloatArray
    alpha: float


class CropGroup(NamedTuple):
    """One crop of a field (an identity) at several levels.

    Parameters
    ----------
    images : ndarray, shape (K, crop_px, crop_px), float32
        On the field's intensity scale, nominal range [0, 1].
    in_focus : ndarray, shape (crop_px, crop_px), float32
        The crop at the focal level.
    levels : ndarray, shape (K,), float32
        Levels of the images minus the focal level: the sign says on which side of focus.
    dz_um : ndarray, shape (K,), float32
        Their signed distances from focus; micrometres, NaN where they are not known.
    """

    images: FloatArray
    in_focus: FloatArray
    levels: FloatArray
    dz_um: FloatArray


class FactorPairs(NamedTuple):
    """Crops of two identities i, j at two levels u, v, to tell what is seen from its blur.

    Parameters
    ----------
    image : ndarray, shape (crop_px, crop_px), float32
        Identity i at level u.
    other_level : ndarray, shape (crop_px, crop_px), float32
        Identity i at level v: the same field, place and turn.
    other_identity : ndarray, shape (crop_px, crop_px), float32
        Identity j at level u: another field, or another place of the only one.
    in_focus : ndarray, shape (crop_px, crop_px), float32
        Identity i at its focal level.
    levels : ndarray, shape (2,), float32
        Levels u and v minus the focal level, of which identity j has its own.
    dz_um : ndarray, shape (2,), float32
        Signed distances of u and v from focus; micrometres, NaN where they are not known.
    """

    image: FloatArray
    other_level: FloatArray
    other_identity: FloatArray
    in_focus: FloatArray
    levels: FloatArray
    dz_um: FloatArray
