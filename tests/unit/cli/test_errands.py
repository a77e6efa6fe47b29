"""What a worker of a cluster does with one job, without a cluster."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from focusfix import __version__
from focusfix.cli.errands import Answer, Beside, Errand, run_errand
from focusfix.errors import DeviceError, InputError, ModelError, OutputError
from focusfix.io.atomic import name_partials, partial_file, partial_name, remove_partials
from focusfix.io.batch import Job
from focusfix.io.checksums import file_sha256

PLANNED = []
JOB = Job(Path("in.tif"), Path("out.tif"))


@dataclass(frozen=True)
class Settings:
    amount: int = 1


@dataclass
class Copying:
    """Work that says what it was told."""

    console: object
    known: dict[Path, Beside] = field(default_factory=dict)

    def put_beside(self, job, files):
        self.known[job.source] = files

    def process(self, job):
        self.console.note("a note")
        self.console.warning("a warning")
        if job.source.name == "bad.tif":
            raise InputError(f"{job.source} is bad.", "Take another one.")
        return {"second": self.known[job.source].second}


def plan_copying(options, console):
    PLANNED.append(options)
    console.note("said while planning, where it was said before")
    return Copying(console)


@pytest.fixture(autouse=True)
def _own_names():
    PLANNED.clear()
    yield
    name_partials("")


def make(job=JOB, files=(), *, version=__version__, amount=1) -> Errand:
    return Errand(plan_copying, Settings(amount), files, version, job, Beside(Path("second.tif")))


def test_answer_holds_what_was_told_and_planning_happens_once():
    answers = [run_errand(make(amount=7)) for _ in range(3)]
    assert answers[0] == Answer(
        {"second": Path("second.tif")}, None, (("note_once", "a note"), ("warning", "a warning"))
    )
    assert answers == answers[:1] * 3
    assert len(PLANNED) == 1
    run_errand(make(amount=8))
    assert len(PLANNED) == 2


def test_errors_travel_with_both_sentences():
    answer = run_errand(make(Job(Path("bad.tif"), Path("out.tif"))))
    error = pickle.loads(pickle.dumps(answer)).error
    assert type(error) is InputError
    assert (error.cause, error.fix) == ("bad.tif is bad.", "Take another one.")
    assert answer.told[-1] == ("warning", "a warning")


def test_other_versions_and_weights_are_refused(tmp_path):
    assert isinstance(run_errand(make(version="0.0.1")).error, DeviceError)
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"one")
    same = ((str(path), file_sha256(path)),)
    assert run_errand(make(files=same)).error is None
    path.write_bytes(b"two")
    assert run_errand(make(files=same)).error is None, "loaded already"
    others = ((str(path), "0" * 64),)
    error = run_errand(make(files=others)).error
    assert isinstance(error, ModelError)
    assert str(path) in error.cause


def test_unfinished_files_carry_their_writer_and_are_removed_when_it_is_lost(tmp_path):
    target, other = tmp_path / "out.tif", tmp_path / "other.tif"
    name_partials("host-1")
    assert partial_name(target).name == "out.tif.host-1.partial"
    partial_name(target).write_text("half")
    partial_name(other).write_text("half")
    name_partials("")
    plain = partial_name(target)
    plain.write_text("of another run")
    remove_partials([target])
    assert {path.name for path in tmp_path.iterdir()} == {
        "other.tif.host-1.partial", "out.tif.partial",
    }  # fmt: skip
    with partial_file(target, "part3") as partial:
        assert partial.name == "out.tif.part3.partial"
        partial.write_text("all")
    assert target.read_text() == "all"
    with pytest.raises(OutputError), partial_file(tmp_path / "gone" / "out.tif") as partial:
        partial.write_text("all")
