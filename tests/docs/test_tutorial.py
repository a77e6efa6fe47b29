"""The commands and the code of README and tutorial, run as they stand on the shipped sample."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
CROP = (slice(96, 160), slice(96, 176))
STEP = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the documents take for granted: the sample, and images of a user."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    (tmp_path / "plate").mkdir()
    for source, target in {
        "out_of_focus": "in.tif",
        "in_focus": "sharp.tif",
    }.items():
        pixels = tifffile.imread(ROOT / "samples" / f"{source}.tif")[CROP]
        write_user_image(tmp_path / target, pixels)
        write_user_image(tmp_path / "plate" / target, pixels)
    shutil.copy(tmp_path / "sharp.tif", tmp_path / "truth.tif")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("FOCUSFIX_DEVICE", "cpu")
    return tmp_path


def write_user_image(path: Path, pixels: np.ndarray) -> None:
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(1 / 0.26, 1 / 0.26), metadata={"unit": "um"}
    )


def steps_of(name: str) -> Iterator[tuple[str, str, str]]:
    """Language, code and printed output of every step of a document, in order."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for language, body in STEP.findall(text):
        if language == "python":
            yield language, body, ""
            continue
        for entry in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, printed = entry.partition("\n")
            yield language, line, printed


def run_command(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def assert_documented(sidecar: Path) -> None:
    """Find every key of a sidecar on the page that explains them."""
    page = (ROOT / "docs/howto/deblur.md").read_text(encoding="utf-8")
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    keys = {*record, *record["models"][0], *record["models"][0]["tiles"]}
    explained = set(re.findall(r"[a-z0-9_]+", page))
    assert keys - explained == set()


def test_tutorial(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    n_commands = 0
    for language, code, printed in steps_of("docs/tutorial.md"):
        if language == "python":
            exec(compile(code, "docs/tutorial.md", "exec"), names)
        elif code.startswith("focusfix "):
            n_commands += 1
            result = run_command(code, capsys)
            assert not printed or result == printed
    assert n_commands == 4
    assert isinstance(names["after"], float)
    deblurred = tifffile.imread(desk / "deblurred.tif")
    assert deblurred.dtype == np.uint16
    assert deblurred.shape == (256, 256)
    assert {path.name for path in (desk / "fixed").glob("*.tif")} == {"in.tif", "sharp.tif"}
    assert_documented(desk / "deblurred.tif.focusfix.json")


def test_readme(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [code for _, code, _ in steps_of("README.md") if code.startswith("focusfix ")]
    runnable = [line for line in commands if not line.startswith("focusfix train")]
    assert len(runnable) == len(commands) - 1
    for line in runnable:
        run_command(line, capsys)
    assert (desk / "out.tif").exists()
    assert (desk / "blurred.tif").exists()
    assert len(list((desk / "fixed").glob("*.tif"))) == 2
