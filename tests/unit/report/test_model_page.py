import math

import pytest

from focusfix.cli.checkpoint_report import choose_field
from focusfix.metrics.ladder import Comparison
from focusfix.report.model_page import compose_model_page
from focusfix.report.page import render_page
from focusfix.report.provenance import Provenance

MEANS = {
    "psnr": 20.0, "psnr_gain": -1.5, "ssim": 0.5, "ssim_gain": 0.25, "lds": math.nan,
    "reconstruction_psnr": math.nan, "synthesis_psnr": math.nan, "ml_vae_score": math.nan,
}  # fmt: skip


def row(method, distance, psnr):
    return {
        "task": "deblurring", "method": method, "distance": distance, "images": 2,
        "psnr_db": psnr, "pooled_psnr_db": psnr, "ssim": 0.5,
    }  # fmt: skip


@pytest.fixture
def record():
    rows = [row("model", at, psnr) for at, psnr in ((0, 30.0), (2, 25.0), (4, 20.0), (None, 22.5))]
    rows += [
        row("doing nothing", at, psnr)
        for at, psnr in ((0, math.inf), (2, 26.5), (4, 21.5), (None, 24.0))
    ]
    channel = {"channel": "w<1>", "rows": rows, "paths": None, "probes": {}}
    return {
        "checkpoint": "a.safetensors", "model": "care-unet", "steps": 1000, "split": "test",
        "fields": ["b"], "distance_unit": "um", "crop_size": 128, "channels": [channel],
    }  # fmt: skip


def compose(record):
    return compose_model_page(
        record, MEANS, facts=[("seed", "7")], plots=(), examples=(),
        provenance=Provenance("focusfix score", "today", [], []),
    )  # fmt: skip


def test_losses_are_said_and_nothing_stands_beside(record) -> None:
    page = compose(record)
    assert page.verdict == "Deblurring changes PSNR by -1.50 dB: worse than doing nothing."
    assert [(card.title, card.mood) for card in page.cards] == [
        ("PSNR deblurred", "worse"), ("SSIM deblurred", "better")
    ]  # fmt: skip
    scores, distances = (section.tables[0] for section in page.sections[1:3])
    assert scores.rows == [
        ["deblurring", "model", "2", "24.00", "22.50", "-1.50", "0.5000", "0.5000", "+0.0000"]
    ]
    assert distances.rows[0][:7] == ["deblurring", "model", "0", "2", "inf", "30.00", "-"]
    for table in (scores, distances):
        assert [table.titles[at] for at in table.signed] == ["gain", "gain"]


def test_page_has_a_curve_for_each_measure_and_takes_names_as_text(record) -> None:
    text = render_page(compose(record))
    assert text.count("<svg") == 2
    assert "w&lt;1&gt;" in text
    assert "w<1>" not in text
    assert "the middle 128 px of 1 field (test)" in text


def test_one_distance_makes_no_curve(record) -> None:
    rows = record["channels"][0]["rows"]
    rows[:] = [each for each in rows if each["distance"] in (2, None)]
    assert render_page(compose(record)).count("<svg") == 0


def test_the_field_with_the_median_error_is_shown() -> None:
    measured = [
        Comparison("deblurring", "model", field, level, False, mse, 1.0)
        for field, level, mse in (("a", -2, 3.0), ("b", -2, 1.0), ("c", -2, 2.0), ("b", 0, 99.0))
    ]
    assert choose_field(measured) == "c"
    assert choose_field([]) is None
