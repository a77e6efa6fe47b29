"""Plates of OME-Zarr images: their fields, and what makes a plate of the fields that are there."""

import json
from pathlib import Path

import pytest

from focusfix.errors import InputError, OutputError, UsageError
from focusfix.io import plates
from focusfix.io.plates import complete_plates, list_fields, name_fields
from focusfix.io.zarr_files import read_node, write_group

WELLS = {"A/1": ("0", "1"), "A/2": ("0",)}


@pytest.fixture
def plate(tmp_path):
    """A plate in old words: its wells have no row and column numbers."""
    path = tmp_path / "in.zarr"
    rows, columns = [{"name": "A"}], [{"name": "1"}, {"name": "2"}]
    wells = [{"path": well} for well in WELLS]
    write_group(path, 2, {"plate": {"rows": rows, "columns": columns, "wells": wells}})
    for well, fields in WELLS.items():
        write_group(path / well, 2, {"well": {"images": [{"path": field} for field in fields]}})
        for field in fields:
            write_group(path / well / field, 2, {"multiscales": [{}]})
    return path


def change(path, **entries):
    place = path / ".zattrs"
    place.write_text(json.dumps({**json.loads(place.read_text()), **entries}))


def test_fields_come_well_by_well(plate):
    assert list_fields(plate) == [plate / at for at in ("A/1/0", "A/1/1", "A/2/0")]
    assert list_fields(plate / "A" / "1" / "0") is None


def test_a_well_that_is_not_there_stands_for_its_fields(plate):
    (plate / "A" / "2" / ".zgroup").unlink()
    (plate / "A" / "2" / ".zattrs").unlink()
    assert list_fields(plate) == [plate / at for at in ("A/1/0", "A/1/1", "A/2")]


@pytest.mark.parametrize("wells", [5, ["A/1"], [{"path": "A"}], [{}]])
def test_broken_lists_of_wells_are_refused(plate, wells):
    change(plate, plate={"wells": wells})
    with pytest.raises(InputError, match="ROW/COLUMN"):
        list_fields(plate)


def test_a_broken_well_is_refused(plate):
    change(plate / "A" / "1", well={"images": [{}]})
    with pytest.raises(InputError, match="does not list the images"):
        list_fields(plate)


def test_a_plate_without_wells_is_refused(plate):
    change(plate, plate={"wells": []})
    with pytest.raises(InputError, match="without wells"):
        list_fields(plate)


def test_outputs_lie_as_the_inputs_do(plate, tmp_path):
    fields = list_fields(plate)
    target = tmp_path / "out.zarr"
    assert name_fields(plate, fields, target)[1] == target / "A" / "1" / "1"
    with pytest.raises(UsageError, match="do not fit into"):
        name_fields(plate, fields, tmp_path / "out.tif")
    write_group(target, 2, {"multiscales": [{}]})
    with pytest.raises(OutputError, match="no plate"):
        name_fields(plate, fields, target)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plate_lists_the_fields_that_are_there(plate, tmp_path, zarr_format):
    target = tmp_path / "out.zarr"
    pairs = list(
        zip(list_fields(plate), name_fields(plate, list_fields(plate), target), strict=True)
    )
    assert complete_plates(pairs) == []
    for field in ("A/1/1", "A/2/0"):
        write_group(target / field, zarr_format, {"multiscales": [{}]})
        assert complete_plates(pairs) == [target]
    found = read_node(target).ome["plate"]["wells"]
    assert found == [
        {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
        {"path": "A/2", "rowIndex": 0, "columnIndex": 1},
    ]
    assert read_node(target / "A" / "1").ome["well"]["images"] == [{"path": "1"}]
    assert read_node(target / "A").zarr_format == zarr_format


def test_a_field_that_is_finished_meanwhile_is_listed(plate, tmp_path, monkeypatch):
    target = tmp_path / "out.zarr"
    write_group(target / "A" / "1" / "0", 2, {"multiscales": [{}]})
    writing = plates._write_plate

    def write_late(*words):
        writing(*words)
        write_group(target / "A" / "2" / "0", 2, {"multiscales": [{}]})

    monkeypatch.setattr(plates, "_write_plate", write_late)
    complete_plates([(plate / "A" / "1" / "0", target / "A" / "1" / "0")])
    assert len(read_node(target).ome["plate"]["wells"]) == 2


def test_images_that_are_no_fields_are_passed_over(plate, tmp_path):
    pairs = [(plate / "A" / "1" / "0", tmp_path / "x.tif"), (Path("a.tif"), Path("b.zarr"))]
    assert complete_plates(pairs) == []
