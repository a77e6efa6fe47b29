"""Pairs of images: one field or two, the right way round or swapped."""

import math

import numpy as np
from scipy import ndimage

from focusfix.operations.pairs import judge_pair


def field(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    points = random.random((160, 150)) > 0.995
    return 1000 * ndimage.gaussian_filter(points.astype(float), 2.0)


def test_one_field_whatever_its_blur_gain_and_offset() -> None:
    sharp = field(0)
    judgement = judge_pair(sharp, 300 + 0.5 * ndimage.gaussian_filter(sharp, 3.0))
    assert judgement.correlation > 0.8
    assert judgement.sharpness_ratio < 0.8


def test_swapped() -> None:
    sharp = field(0)
    assert judge_pair(ndimage.gaussian_filter(sharp, 3.0), sharp).sharpness_ratio > 1.2


def test_two_fields() -> None:
    assert abs(judge_pair(field(0), field(1)).correlation) < 0.3


def test_images_without_structure_have_no_opinion() -> None:
    flat = np.full((40, 40), 7)
    judgement = judge_pair(flat, field(0)[:40, :40])
    assert math.isnan(judgement.correlation)
    assert math.isnan(judgement.sharpness_ratio)
    assert math.isnan(judge_pair(np.eye(5), np.eye(5)).sharpness_ratio)
