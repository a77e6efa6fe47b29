import numpy as np
import pytest
from matplotlib.image import imread

from focusfix.errors import OutputError
from focusfix.report.training import (
    Curve,
    PreviewRow,
    smooth_curve,
    write_loss_curve,
    write_preview,
)


def test_curve_with_and_without_validation(tmp_path):
    loss = Curve(list(range(1, 501)), [1 / step for step in range(1, 501)])
    write_loss_curve(tmp_path / "plain.png", loss, Curve([], []), None)
    write_loss_curve(tmp_path / "both.png", loss, Curve([250, 500], [30.0, 31.0]), 29.0)
    plain, both = (imread(tmp_path / name) for name in ("plain.png", "both.png"))
    assert both.shape[0] > plain.shape[0] > 100
    assert {path.name for path in tmp_path.iterdir()} == {"plain.png", "both.png"}


def test_negative_losses_are_drawn(tmp_path):
    write_loss_curve(tmp_path / "c.png", Curve([1, 2], [-1.0, -2.0]), Curve([], []), None)
    write_loss_curve(tmp_path / "c.png", Curve([], []), Curve([], []), None)
    assert imread(tmp_path / "c.png").ndim == 3


def test_preview_shows_each_image_on_the_scale_of_the_truth(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1))
    rows = [PreviewRow(ramp / 2, ramp, ramp, 20.0, 40.0)] * 2
    write_preview(tmp_path / "p.png", rows)
    picture = imread(tmp_path / "p.png")[..., 0]
    thirds = np.array_split(picture, 3, axis=1)
    middle = [third[20:90, 10:-10].mean() for third in thirds]
    assert middle[0] < middle[1] == pytest.approx(middle[2], abs=0.05)


def test_folder_that_is_not_there(tmp_path):
    image = np.zeros((8, 8), np.float32)
    with pytest.raises(OutputError, match="could not be written"):
        write_preview(tmp_path / "none" / "p.png", [PreviewRow(image, image, image, 1.0, 1.0)])


def test_smoothing_keeps_short_curves():
    assert smooth_curve(Curve([1, 2], [3.0, 4.0])) == Curve([1, 2], [3.0, 4.0])
    assert smooth_curve(Curve([], [])) == Curve([], [])
