import math

import numpy as np
import pytest

from focusfix.metrics.fidelity import band_coherence, nrmse, pearson, psnr, ssim
from focusfix.metrics.multiscale import ms_ssim
from focusfix.metrics.scorecard import MEASURES, mean_scores, score_plane


def planes(shape: tuple[int, ...] = (180, 190, 1)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    stripes = 300 * np.sin(np.arange(shape[1]) / 2)[:, None]
    truth = stripes + random.normal(2000, 200, shape)
    return truth + random.normal(0, 100, shape), truth


def test_grey_plane_has_the_score_of_each_measure():
    image, truth = planes()
    scores = score_plane(image, truth, data_range=4095, band=(0.1, 0.3), affine=True)
    assert list(scores) == list(MEASURES)
    pair = image[..., 0], truth[..., 0]
    assert scores["psnr"] == psnr(*pair, data_range=4095)
    assert scores["ssim"] == pytest.approx(ssim(*pair, data_range=4095))
    assert scores["ms_ssim"] == pytest.approx(ms_ssim(*pair, data_range=4095))
    assert scores["nrmse"] == pytest.approx(nrmse(*pair))
    assert scores["pearson"] == pytest.approx(pearson(*pair))
    coherence = band_coherence(*pair, low_per_px=0.1, high_per_px=0.3)
    assert scores["band_coherence"] == coherence


def test_affine_fit_takes_out_gain_and_offset():
    _, truth = planes()
    scores = score_plane(0.5 * truth + 300, truth, data_range=4095, band=None, affine=True)
    assert scores["psnr"] < 20
    assert scores["psnr_affine"] > 200
    assert scores["ssim_affine"] == pytest.approx(1)
    assert scores["nrmse_affine"] == pytest.approx(0, abs=1e-9)


def test_colours_are_taken_together_or_averaged():
    image, truth = planes((180, 190, 3))
    scores = score_plane(image, truth, data_range=4095, band=None)
    assert scores["psnr"] == psnr(image, truth, data_range=4095)
    each = [ssim(image[..., s], truth[..., s], data_range=4095) for s in range(3)]
    assert scores["ssim"] == pytest.approx(np.mean(each), rel=1e-4)


def test_clipping_counts_for_intensities():
    truth = np.full((16, 16, 1), 255.0)
    scores = score_plane(truth + 9, truth, data_range=255, band=None)
    assert scores["psnr"] == math.inf
    assert math.isnan(scores["nrmse"])


@pytest.mark.parametrize(
    ("size", "missing"),
    [
        (200, {"band_coherence"}),
        (100, {"band_coherence", "ms_ssim"}),
        (10, {"band_coherence", "ms_ssim", "ssim"}),
        (1, {"band_coherence", "ms_ssim", "ssim", "sharpness_ratio"}),
    ],
)
def test_what_small_planes_do_not_allow(size, missing):
    image, truth = planes((size, 200, 1))
    scores = score_plane(image, truth, data_range=4095, band=None)
    assert {name for name, value in scores.items() if math.isnan(value)} == missing


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("psnr", 20.0, 23.0, 3.0),
        ("nrmse", 0.5, 0.2, 0.3),
        ("sharpness_ratio", 0.5, 1.2, 0.3),
        ("psnr", math.inf, math.inf, 0.0),
        ("psnr", math.inf, 30.0, -math.inf),
    ],
)
def test_positive_gain_is_better(name, before, after, expected):
    assert MEASURES[name].gain(before, after) == pytest.approx(expected)


def test_means_leave_out_what_is_not_finite():
    scores = [{"psnr": 20.0}, {"psnr": 30.0}, {"psnr": math.inf}, {"psnr": math.nan}]
    assert mean_scores(scores) == ({"psnr": 25.0}, {"psnr": 2})
    assert mean_scores([{"psnr": math.inf}] * 2) == ({"psnr": math.inf}, {})
    assert mean_scores([{"psnr": 1.0}]) == ({"psnr": 1.0}, {})
    means, left_out = mean_scores([{"ssim": math.nan}])
    assert math.isnan(means["ssim"])
    assert left_out == {}
