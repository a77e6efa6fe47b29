import csv
import signal

import pytest
import torch
from safetensors.torch import load_file

from focusfix.errors import InputError
from focusfix.io.checkpoint import load_checkpoint
from focusfix.models.registry import list_entries
from focusfix.training.collapse import critic_won
from focusfix.training.fit import Adversary
from focusfix.training.lesson import Lesson
from focusfix.training.lessons.pairs import PairLesson
from focusfix.training.lessons.table import find_lesson
from focusfix.training.log import ValidationScore
from focusfix.training.run import Run
from focusfix.training.run_folder import RunFolder
from focusfix.training.standing import Standing


class Watcher:
    """A view that notes every step, and does something at one of them."""

    def __init__(self, at=None, do=lambda: None):
        self.seen = []
        self.at, self.do = at, do

    def show(self, status):
        self.seen.append(status)
        if status.step == self.at:
            self.do()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def start(tmp_path, drawn_data, cpu, make_settings):
    def make(name, *, validated=True, **changes):
        settings = make_settings(**changes)
        data, folder = drawn_data(validated=validated), RunFolder(tmp_path / name)
        if not folder.path.exists():
            folder.start(settings, data.split_table)
        run = Run(data, settings, folder, cpu)
        run.resume()
        return run

    return make


def read_rows(folder):
    with folder.log.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.name)
def test_a_stopped_run_ends_with_the_same_weights(start, entry, monkeypatch):
    for picture in ("run.write_preview", "log.write_loss_curve"):  # they take most of the time
        monkeypatch.setattr(f"focusfix.training.{picture}", lambda *_: None)
    settings = {
        "model": entry.name,
        "hyperparameters": entry.tiny,
        "loss": find_lesson(entry).losses[0],
        "validate_every": 4,
    }
    straight = start("straight", **settings)
    straight.train(Watcher())
    stopped = start("stopped", **settings)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(Watcher(at=3, do=lambda: signal.raise_signal(signal.SIGINT)))
    assert stopped.trainer.step == 3
    resumed = start("stopped", **settings)
    assert resumed.trainer.step == 3
    watcher = Watcher()
    resumed.train(watcher)
    assert [status.step for status in watcher.seen] == [4, 5, 6]
    for one, other in (
        (straight.folder.state, resumed.folder.state),
        (straight.folder.best, resumed.folder.best),
        (straight.folder.last, resumed.folder.last),
    ):
        expected, found = load_file(one), load_file(other)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert read_rows(straight.folder) == read_rows(resumed.folder)


class Duel(Lesson):
    """Pairs against a judge; finishing notes itself in a buffer."""

    def __init__(self):
        self.plain = PairLesson("l1", 1.0, 32)
        torch.manual_seed(5)
        judge = torch.nn.Conv2d(1, 1, 3)
        self._adversary = Adversary(judge, self._judge, learning_rate=1e-2)
        self.finished = []

    @property
    def adversary(self):
        return self._adversary

    def batch(self, source, first, count):
        return self.plain.batch(source, first, count)

    def losses(self, network, batch, step):
        image = self.plain.losses(network, batch, step)["loss"]
        fooled = (self._adversary.network(network(batch.inputs)) - 1).square().mean()
        return {"loss": image + 0.1 * fooled, "image": image, "fooled": fooled}

    def _judge(self, network, batch, step):  # noqa: ARG002 - the same at every step
        with torch.no_grad():
            made = network(batch.inputs)
        judge = self._adversary.network
        return {"loss": judge(made).square().mean() + (judge(batch.targets) - 1).square().mean()}

    def restore(self, network, batch):
        return self.plain.restore(network, batch)

    def finish(self, network, source):
        assert not network.training
        self.finished.append(float(source.pair(0).in_focus.sum()))


def test_a_run_against_an_adversary_is_resumed_exactly(start, monkeypatch):
    monkeypatch.setattr("focusfix.training.run.make_lesson", lambda *_: Duel())
    straight = start("straight", accumulate=2, validate_every=4)
    straight.train(Watcher())
    stopped = start("stopped", accumulate=2, validate_every=4)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(Watcher(at=3, do=lambda: signal.raise_signal(signal.SIGINT)))
    resumed = start("stopped", accumulate=2, validate_every=4)
    resumed.train(Watcher())
    one, other = load_file(straight.folder.state), load_file(resumed.folder.state)
    assert {name.partition(".")[0] for name in one} == {
        "network", "average", "adam", "adversary", "adversary_adam"
    }  # fmt: skip
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert read_rows(straight.folder) == read_rows(resumed.folder)
    assert read_rows(straight.folder)[0][-3:] == ["image", "fooled", "adversary_loss"]
    assert not any(name.startswith("adversary") for name in load_file(straight.folder.best))
    assert len(straight.lesson.finished) == 2, "once for each step that is validated and saved"


class Winner(Duel):
    """A judge that says of itself that it is right."""

    signs = (critic_won("accuracy", "the judge"),)

    def _judge(self, network, batch, step):
        return {**super()._judge(network, batch, step), "accuracy": torch.ones(())}


def test_a_judge_that_always_wins_is_told(start, monkeypatch):
    monkeypatch.setattr("focusfix.training.run.make_lesson", lambda *_: Winner())
    monkeypatch.setattr("focusfix.training.collapse._SHORTEST", 3)
    watcher = Watcher()
    result = start("run", validate_every=6).train(watcher)
    told = [status.warnings for status in watcher.seen]
    assert [len(texts) for texts in told] == [0, 0, 1, 0, 0, 0]
    assert told[2][0].startswith("in steps 1 to 3, the judge was right 100.0% of the time")
    assert result.warnings[0].startswith("in steps 1 to 6, the judge was right 100.0% of the time")
    assert start("run", validate_every=6).train(Watcher()).warnings == result.warnings


def test_what_a_run_leaves(start):
    run = start("run")
    result = run.train(Watcher())
    names = {path.name for path in run.folder.path.iterdir()}
    assert names == {
        "config.json", "split.csv", "log.csv", "loss.png", "previews", "state.safetensors",
        "best.safetensors", "last.safetensors",
    }  # fmt: skip
    previews = sorted(path.name for path in (run.folder.path / "previews").iterdir())
    assert previews == [f"step-000000{step}.png" for step in (2, 4, 6)]
    network, header = load_checkpoint(run.folder.best)
    assert header.steps == result.best_step
    assert header.held_out == {"validation": ("b",)}
    assert header.modality == "fluorescence"
    assert header.scores["validation_gain_db"] == pytest.approx(result.best.gain_db, abs=1e-3)
    assert network(torch.zeros((1, 1, 32, 32))).shape == (1, 1, 32, 32)
    assert load_checkpoint(run.folder.last)[1].steps == 6


def test_a_finished_run_is_not_touched_by_resuming(start):
    first = start("run").train(Watcher())
    run = start("run")
    before = run.folder.state.stat().st_mtime_ns
    watcher = Watcher()
    assert run.train(watcher) == first
    assert watcher.seen == []
    assert run.folder.state.stat().st_mtime_ns == before


def test_rows_after_the_saved_step_are_taken_out(start):
    run = start("run", validate_every=3, steps=3)
    run.train(Watcher())
    with run.folder.log.open("a") as file:
        file.write("4,0.5,0.001,,\n5,0.5,0.001,,\n")
    start("run", validate_every=3, steps=3).train(Watcher())
    assert [row[0] for row in read_rows(run.folder)] == ["step", "1", "2", "3"]


def test_training_stops_early(start, monkeypatch):
    scores = iter([20.0, 25.0, 24.0, 23.0, 30.0])
    run = start("run", steps=50, validate_every=1, patience=2)
    plain = run.validation.score

    def score(*arguments, **options):
        result = plain(*arguments, **options)
        object.__setattr__(result, "score", ValidationScore(next(scores), 22.0))
        return result

    monkeypatch.setattr(run.validation, "score", score)
    result = run.train(Watcher())
    assert (result.steps, result.stopped_early, result.best_step) == (4, True, 2)
    assert result.best == ValidationScore(25.0, 22.0)
    assert load_checkpoint(run.folder.best)[1].steps == 2
    resumed = start("run", steps=50, validate_every=1, patience=2)
    assert resumed.standing == Standing(25.0, 2, 2)
    assert resumed.train(Watcher()).steps == 4


def test_without_validation_the_newest_is_the_best(start):
    run = start("run", validated=False)
    result = run.train(Watcher())
    assert (result.best, result.best_step) == (None, 6)
    assert load_checkpoint(run.folder.best)[1].steps == 6
    assert load_checkpoint(run.folder.best)[1].scores == {}


def test_termination_is_exit_143_after_saving(start):
    run = start("run", validate_every=6)
    with pytest.raises(SystemExit) as stop:
        run.train(Watcher(at=2, do=lambda: signal.raise_signal(signal.SIGTERM)))
    assert stop.value.code == 143
    assert start("run", validate_every=6).trainer.step == 2


def test_the_first_weights_follow_from_the_seed(start):
    one, two, other = start("a"), start("b"), start("c", seed=1)
    values = [run.trainer.average["subnetworks.0.head.weight"] for run in (one, two, other)]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_a_loss_that_explodes_is_told(start):
    run = start("run", learning_rate=1e30, steps=20, validate_every=20)
    with pytest.raises(InputError, match="lower --learning-rate"):
        run.train(Watcher())
