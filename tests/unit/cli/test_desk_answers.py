"""What a command tells workers, and how it reads what they do not answer."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.desk import Desk, Writer
from focusfix.cli.errands import Answer, Beside
from focusfix.errors import DeviceError, InputError, OutOfMemoryError
from focusfix.io.batch import Job

JOB = Job(Path("plate/in.tif"), Path("out.tif"))


class Plain:
    """Work without files of its own."""

    def fixed_files(self):
        return ("no such weights",)

    def beside(self, _job):
        return Beside(Path("second.tif"), Path("map.tif"))


@dataclass
class Done:
    """A future that is done."""

    status: str
    held: object = None

    def result(self):
        return self.held

    def exception(self):
        return self.held


def plan_plain(options, console):
    raise NotImplementedError


def test_errands_do_not_depend_on_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.safetensors", "surface.tif"):
        (tmp_path / name).write_bytes(b"")
    options = DeblurOptions(
        inputs=["plate/"], output="out/", model="mine.safetensors", dz_um="surface.tif",
        blurrier=Path("second.tif"), report=Path("report.json"), skip_existing=True,
        scheduler="tcp://127.0.0.1:1", num_parts=3, part_id=1,
    )  # fmt: skip
    writer = Writer(plan_plain, Plain(), options)
    errand = writer.write(JOB)
    assert errand.job == Job(tmp_path / "plate/in.tif", tmp_path / "out.tif")
    assert errand.beside == Beside(tmp_path / "second.tif", tmp_path / "map.tif")
    told = errand.options
    assert told.model == str(tmp_path / "mine.safetensors")
    assert told.dz_um == str(tmp_path / "surface.tif")
    assert (told.blurrier, told.report) == (tmp_path / "second.tif", tmp_path / "report.json")
    assert (told.overwrite, told.skip_existing) == (True, False)
    assert (told.inputs, told.output, told.scheduler, told.part) == (None, None, None, (0, 1))
    assert errand.fixed_files == ()
    assert [path.name for path in writer.outputs(JOB)] == [
        "out.tif", "out.tif.focusfix.json", "map.tif",
    ]  # fmt: skip


def test_answers_and_their_absence(capsys):
    scheduler = pytest.importorskip(
        "distributed.scheduler", reason="the extra distributed is not installed"
    )
    desk = Desk(None, Writer(plan_plain, Plain(), DeblurOptions()), Console())
    told = (("note_once", "a note"), ("warning", "a warning"))
    assert desk.read(Done("finished", Answer({"output": "x"}, None, told)), JOB) == {"output": "x"}
    assert capsys.readouterr().err == "a note\nwarning: a warning\n"
    with pytest.raises(InputError, match="is bad"):
        desk.read(Done("finished", Answer(None, InputError("It is bad.", "Fix it."), ())), JOB)
    killed = scheduler.KilledWorker("task", "worker", 3)
    with pytest.raises(OutOfMemoryError, match=r"plate/in\.tif: every worker that took it"):
        desk.read(Done("error", killed), JOB)
    with pytest.raises(DeviceError, match="cannot load focusfix"):
        desk.read(Done("error", ModuleNotFoundError("No module named 'focusfix'")), JOB)
    with pytest.raises(ZeroDivisionError):
        desk.read(Done("error", ZeroDivisionError()), JOB)
    for status in ("lost", "cancelled"):
        with pytest.raises(DeviceError, match="connection to the Dask scheduler was lost"):
            desk.read(Done(status), JOB)
