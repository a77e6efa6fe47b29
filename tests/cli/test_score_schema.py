"""Every line of ``focusfix score --format json`` is what the published schema says."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pydantic import TypeAdapter, ValidationError

from focusfix.cli.console import SCHEMA_VERSION
from focusfix.cli.score_schema import ScoreLine, write_schema

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schema" / "score.json"
LINES: TypeAdapter = TypeAdapter(ScoreLine)


def check_line(text: str) -> str:
    """Return the kind of a line that holds exactly the keys and types of that kind."""
    value = json.loads(text)
    line = LINES.validate_json(text, strict=True)
    assert json.loads(line.model_dump_json()) == value
    return type(line).__name__


@pytest.fixture
def files(tmp_path):
    """Images of every kind: a stack, a flat one, a small one, a bead, one that is broken."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 4000, (3, 70, 72)).astype(np.uint16)
    rows, columns = np.indices((70, 72))
    bead = 100 + 3000 * np.exp(-((rows - 30) ** 2 + (columns - 40) ** 2) / 12)
    stack = {"axes": "ZYX", "unit": "um", "spacing": 1.5}
    for folder in ("in", "truth"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "stack.tif", noise, stack)
        write(tmp_path / folder / "flat.tif", np.full((20, 20), 7, np.uint8), {})
        write(tmp_path / folder / "small.tif", noise[0, :5, :5], {})
        write(tmp_path / folder / "bead.tif", bead.astype(np.uint16), {"unit": "um"})
        tifffile.imwrite(tmp_path / folder / "float.tif", noise[0].astype(np.float32) / 4000)
        write(tmp_path / folder / "z.tif", noise[:, :60, :64] if folder == "in" else noise, stack)
    rows = "".join(f"stack.tif,f,{k},{2 * k},{k}\n" for k in range(3))
    (tmp_path / "in" / "manifest.csv").write_text(f"path,field,z_index,z_um,plane\n{rows}")
    return tmp_path


def write(path, pixels, metadata):
    tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 4), metadata=metadata)


WITH = ("--reference", "truth")
CASES = [
    (("in/stack.tif", *WITH, "--input", "truth", "--affine-fit"), {"ComparedImage"}),
    (("in/bead.tif", *WITH, "--profile", "30,40", "--band-from", "0.1"), {"ComparedImage"}),
    (("in", *WITH, "--input", "in"), {"ComparedImage", "FailedImage", "Summary"}),
    (("in/flat.tif", "in/small.tif", *WITH), {"ComparedImage", "Summary"}),
    (("in",), {"ImageAlone"}),
    (("in/bead.tif", "--profile", "30,20:30,60"), {"ImageAlone"}),
    (("in/bead.tif", "in/flat.tif", "--repeat", "truth"), {"ImageAlone"}),
    (("in", "--pattern", "*.*", "--profile", "30,40"), {"ImageAlone", "FailedImage"}),
]


@pytest.mark.parametrize(("arguments", "kinds"), CASES)
def test_every_line_is_in_the_schema(run_cli, files, monkeypatch, arguments, kinds):
    monkeypatch.chdir(files)
    done = run_cli("score", *arguments, "--format", "json")
    assert done.out, done.err
    assert {check_line(line) for line in done.out.splitlines()} == kinds


def test_published_schema_is_that_of_the_types():
    """If not: ``python -m focusfix.cli.score_schema > docs/schema/score.json``."""
    assert SCHEMA.read_text(encoding="utf-8") == write_schema()
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    versions = {
        kind["properties"]["schema_version"]["const"]
        for kind in schema["$defs"].values()
        if "schema_version" in kind["properties"]
    }
    assert versions == {SCHEMA_VERSION}


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"planes": 3}, {"input": None}])
def test_other_lines_are_not(change):
    line = {
        "schema_version": 1, "input": "a.tif", "repeat": None, "pixel_size_um": 0.5,
        "data_range": 255, "profile_at": None, "sharpest_planes": [], "planes": [],
    }  # fmt: skip
    assert check_line(json.dumps(line)) == "ImageAlone"
    with pytest.raises(ValidationError):
        check_line(json.dumps({**line, **change}))
