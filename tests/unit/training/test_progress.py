import pytest

from focusfix.training.log import ValidationScore
from focusfix.training.progress import LineProgress, Status, TableProgress

SCORE = ValidationScore(31.0, 29.5)


def status(step, **changes):
    return Status(step=step, steps=100, loss=0.5, learning_rate=1e-3, crops_per_step=8, **changes)


def test_lines_now_and_then():
    said = []
    with LineProgress(said.append, every_s=0) as view:
        view.show(status(1))
        view.show(status(2, validated=True, validation=SCORE, best=SCORE))
    assert said[0].startswith("step 1 of 100: loss 0.5, 0.0 crops/s")
    assert said[1] == ("step 2 of 100: validation 31.00 dB, doing nothing 29.50 dB, gain +1.50 dB")


def test_no_lines_between_validations():
    said = []
    with LineProgress(said.append, every_s=float("inf")) as view:
        for step in range(20):
            view.show(status(step))
    assert said == []


def test_table_shows_newest_and_best(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with TableProgress() as view:
        view.show(status(1))
        view.show(status(100, validated=True, validation=SCORE, best=SCORE))
    shown = capsys.readouterr().err
    assert "100 of 100" in shown
    assert shown.count("gain +1.50 dB") == 2


def test_warnings_are_told_where_they_belong(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    said, warned = [], []
    for view in (
        LineProgress(said.append, every_s=float("inf"), warn=warned.append),
        LineProgress(said.append, every_s=float("inf")),
        TableProgress(),
    ):
        with view:
            view.show(status(1, warnings=("the critic [has] won",)))
    assert said == warned == ["the critic [has] won"]
    assert "warning: the critic [has] won" in capsys.readouterr().err


@pytest.mark.parametrize("left", [0, 59])
def test_time_left_is_told(left):
    said = []
    with LineProgress(said.append, every_s=0) as view:
        view.show(status(100 - left))
        view.show(status(100 - left))
    assert "0:00:00 left" in said[0]
