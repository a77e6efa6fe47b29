import pytest

from focusfix.training.collapse import Sign, Watch, all_alike, critic_won
from focusfix.training.log import LogRow

WON = critic_won("accuracy", "the critic")
ALIKE = all_alike("variation", "images")


def rows(values: list[float], name: str = "accuracy") -> list[LogRow]:
    return [LogRow(step, 0.5, 1e-3, others={name: v}) for step, v in enumerate(values, 1)]


def watch_all(watch: Watch, log: list[LogRow], first: int = 0) -> dict[int, str]:
    """Look after every step; returns what was told, by step."""
    told = {log[n].step: watch.look(log[: n + 1]) for n in range(first, len(log))}
    return {step: texts[0] for step, texts in told.items() if texts}


@pytest.mark.parametrize(("steps", "stretch"), [(10, 20), (400, 40), (25_000, 200)])
def test_a_stretch_is_a_tenth_of_the_run(steps: int, stretch: int) -> None:
    assert Watch([WON], steps).stretch == stretch


def test_a_critic_that_wins_is_told_once_and_again_at_the_end() -> None:
    log = rows([0.5] * 30 + [1.0] * 50 + [0.5] * 20)
    watch = Watch([WON, ALIKE], 100)
    assert watch_all(watch, log) == {
        50: "in steps 31 to 50, the critic was right 100.0% of the time: its opinion taught next "
        "to nothing"
    }
    (told,) = watch.summary(log)
    assert told.startswith("in steps 31 to 80, the critic was right 100.0%")


def test_several_stretches_are_one_sentence() -> None:
    log = rows([1.0] * 20 + [0.5] * 20 + [0.99] * 30)
    (told,) = Watch([WON], 70).summary(log)
    assert told.startswith("in 50 of the steps 1 to 70, the critic was right 99.4%")


def test_a_lucky_step_is_no_sign() -> None:
    log = rows([0.9, 1.0] * 100)
    watch = Watch([WON], 200)
    assert watch_all(watch, log) == {}
    assert watch.summary(log) == ()


def test_output_that_does_not_vary() -> None:
    log = rows([1.0] * 5 + [0.02] * 25, "variation")
    watch = Watch([WON, ALIKE], 30)
    told = watch_all(watch, log)
    assert list(told) == [24]
    assert (
        "images differed only 6.9% as much as true ones do: the network has collapsed" in told[24]
    )
    assert len(watch.summary(log)) == 1


def test_a_resumed_run_does_not_repeat_itself() -> None:
    log = rows([1.0] * 60)
    straight = Watch([WON], 60)
    watch_all(straight, log[:40])
    resumed = Watch([WON], 60)
    resumed.recall(log[:40])
    assert watch_all(resumed, log, 40) == watch_all(straight, log, 40) == {}
    assert resumed.summary(log) == straight.summary(log)


def test_columns_that_are_not_there_say_nothing() -> None:
    log = rows([1.0] * 30, "other")
    watch = Watch([WON, Sign("loss of something", 0.0, above=False, meaning="")], 30)
    assert watch_all(watch, log) == {}
    assert watch.summary(log) == ()
    assert Watch([], 30).summary(log) == ()
