"""OME-Zarr from end to end: the same pixels as through TIFF, plates, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from focusfix.io.image import open_image

zarr = pytest.importorskip("zarr")
yaozarrs = pytest.importorskip("yaozarrs")

SCALES = [1.0, 0.5, 0.5]


def read_planes(path, axes):
    """Read all planes, in an order of axes."""
    with open_image(path) as reader:
        metadata = reader.metadata
        rows, columns = (slice(0, size) for size in metadata.shape_yx)
        planes = [reader.read_window(at, rows, columns) for at in range(metadata.n_planes)]
    whole = np.stack(planes).reshape(metadata.shape)
    return whole.transpose([metadata.axes.index(axis) for axis in axes]), metadata


def check_valid(path):
    name = "zarr.json" if (path / "zarr.json").exists() else ".zattrs"
    return yaozarrs.validate_ome_json((path / name).read_text())


@pytest.fixture
def plate(tmp_path, save_plate, draw_nuclei):
    """A plate of two wells, one with two fields of two channels each, one with one."""
    fields = {
        field: np.stack([draw_nuclei((64, 56), seed=2 * number + each) for each in range(2)])
        for number, field in enumerate(("A/1/0", "A/1/1", "B/3/0"))
    }
    return save_plate(tmp_path / "plate.zarr", fields, "cyx", scale=SCALES, chunks=(1, 30, 30))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_every_way_gives_the_same_pixels(run_cli, stack, tiny_weights, tmp_path, version):
    def deblur(source, target, *options):
        done = run_cli("deblur", source, "-m", tiny_weights, "-o", tmp_path / target, *options)
        assert (done.code, done.out) == (0, f"{tmp_path / target}\n"), done.err
        return tmp_path / target

    written = ("--zarr-version", version)
    direct = tifffile.imread(deblur(stack, "direct.tif"))  # ZCYX
    assert (direct != tifffile.imread(stack)).any()
    deblurred = deblur(stack, "a.ome.zarr", *written)
    pixels, found = read_planes(deblurred, "ZCYX")
    np.testing.assert_array_equal(pixels, direct)
    assert (found.axes, found.ngff_version) == ("CZYX", version)
    assert (found.pixel_size_um, found.z_spacing_um) == ((0.25, 0.25), 1.5)
    check_valid(deblurred)

    copy = tmp_path / "copy.zarr"
    unchanged = ("-m", "optics", "--alpha", 1, "--max-defocus-um", 5)
    assert run_cli("synthesize-blur", stack, *unchanged, "-o", copy, *written).code == 0
    np.testing.assert_array_equal(read_planes(copy, "ZCYX")[0], tifffile.imread(stack))
    np.testing.assert_array_equal(read_planes(deblur(copy, "b.zarr", *written), "ZCYX")[0], direct)
    back = deblur(copy, "back.tif")
    np.testing.assert_array_equal(read_planes(back, "ZCYX")[0], direct)
    record = json.loads((tmp_path / "b.zarr.focusfix.json").read_text())
    assert record["axes"] == "CZYX"
    assert len(record["input_sha256"]) == 64


def test_colours_through_zarr_and_tiff(run_cli, tmp_path, draw_nuclei):
    source = tmp_path / "rgb.tif"
    colours = np.stack([draw_nuclei((64, 56), seed=seed) // 16 for seed in range(3)], axis=-1)
    tifffile.imwrite(source, colours.astype("uint8"), photometric="rgb")
    for target in ("a.zarr", "a.tif"):
        done = run_cli("deblur", source, "-m", "unsharp", "-o", tmp_path / target)
        assert done.code == 0, done.err
    pixels, found = read_planes(tmp_path / "a.zarr", "YXS")
    assert found.photometric == "rgb"
    np.testing.assert_array_equal(pixels, tifffile.imread(tmp_path / "a.tif"))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_in_and_out(run_cli, plate, tmp_path, version):
    output = tmp_path / "out.zarr"
    command = ("deblur", plate, "-m", "unsharp", "-o", output, "--zarr-version", version)
    done = run_cli(*command)
    assert done.code == 0, done.err
    fields = ["A/1/0", "A/1/1", "B/3/0"]
    assert done.out.splitlines() == [str(output / field) for field in fields]
    for inner in (".", "A/1", "B/3", *fields):
        check_valid(output / inner)
    sidecars = tmp_path / "out.zarr.focusfix"
    assert [json.loads((sidecars / f"{f}.json").read_text())["axes"] for f in fields] == ["CYX"] * 3
    attributes = dict(zarr.open_group(output, mode="r").attrs)
    written = attributes.get("ome", attributes)["plate"]
    assert written["name"] == "screen"
    assert [well["path"] for well in written["wells"]] == ["A/1", "B/3"]
    assert read_planes(output / "B/3/0", "CYX")[1].pixel_size_um == (0.5, 0.5)
    again = run_cli(*command)
    assert (again.code, "exist already" in again.err) == (6, True)


def test_a_plate_goes_on_where_it_was(run_cli, plate, tmp_path):
    output = tmp_path / "out.zarr"
    command = ("deblur", plate, "-m", "unsharp", "-o", output, "--skip-existing")
    broken = plate / "B" / "3" / "0" / "0" / ".zarray"
    whole = broken.read_text()
    broken.write_text("{}")
    done = run_cli(*command)
    assert done.code == 7
    assert "B/3/0" in done.err
    [well] = zarr.open_group(output, mode="r").attrs["plate"]["wells"]
    assert well["path"] == "A/1"
    check_valid(output)
    broken.write_text(whole)
    done = run_cli(*command)
    assert (done.code, done.out) == (0, f"{output / 'B/3/0'}\n")
    assert len(zarr.open_group(output, mode="r").attrs["plate"]["wells"]) == 2
    (output / ".zattrs").unlink()  # as if stopped before the last step
    assert run_cli(*command).code == 0
    assert check_valid(output)


def test_plates_are_scored_and_described(run_cli, plate, tmp_path):
    done = run_cli("info", plate, "--json")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["input"] for record in records] == [
        str(plate / field) for field in ("A/1/0", "A/1/1", "B/3/0")
    ]
    assert {(record["format"], record["ngff_version"]) for record in records} == {
        ("ome-zarr", "0.4")
    }
    other = tmp_path / "other.zarr"
    shutil.copytree(plate, other)
    done = run_cli("score", plate, "--reference", other, "--format", "json")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) >= 3
    shutil.rmtree(other / "B" / "3")
    assert run_cli("score", plate, "--reference", other).code == 3


def test_image_against_tiff(run_cli, tmp_path, save_zarr, draw_nuclei):
    pixels = draw_nuclei((64, 56))
    path = save_zarr(tmp_path / "a.zarr", pixels, "yx", version="0.5")
    tifffile.imwrite(tmp_path / "truth.tif", pixels)
    done = run_cli("score", path, "--reference", tmp_path / "truth.tif", "--format", "json")
    assert done.code == 0, done.err
    page = tmp_path / "page.html"
    done = run_cli("score", path, "--reference", tmp_path / "truth.tif", "--report", page)
    assert done.code == 0, done.err
    assert "a.zarr" in page.read_text()


def test_a_ladder_between_two_images(run_cli, tmp_path, save_zarr, draw_nuclei, line_weights):
    sharp = draw_nuclei((64, 56))
    soft = (sharp // 2 + 50).astype("uint16")
    ends = [
        save_zarr(tmp_path / f"{name}.zarr", pixels, "yx", scale=[0.5, 0.5])
        for name, pixels in (("sharp", sharp), ("soft", soft))
    ]
    target = tmp_path / "ladder.ome.zarr"
    done = run_cli("interpolate", *ends, "-m", line_weights, "--steps", 3, "-o", target)
    assert (done.code, done.out) == (0, f"{target}\n"), done.err
    _, found = read_planes(target, "ZYX")
    assert (found.axes, found.shape) == ("ZYX", (3, 64, 56))


def test_a_folder_and_a_template(run_cli, tmp_path, save_zarr, draw_nuclei):
    (tmp_path / "in").mkdir()
    save_zarr(tmp_path / "in" / "a.ome.zarr", draw_nuclei((64, 56)), "yx")
    tifffile.imwrite(tmp_path / "in" / "b.tif", draw_nuclei((64, 56)))
    done = run_cli("deblur", tmp_path / "in", "-m", "unsharp", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert [line.rsplit("/", 1)[1] for line in done.out.splitlines()] == ["a.ome.zarr", "b.tif"]
    template = tmp_path / "out" / "{stem}_2.zarr"
    done = run_cli("deblur", tmp_path / "in", "-m", "unsharp", "-o", template)
    assert [line.rsplit("/", 1)[1] for line in done.out.splitlines()] == ["a_2.zarr", "b_2.zarr"]
    done = run_cli(
        "deblur", tmp_path / "in" / "b.tif", "-m", "unsharp", "-o", f"{tmp_path}/c.zarr/"
    )
    assert done.out == f"{tmp_path}/c.zarr\n", done.err
    assert check_valid(tmp_path / "c.zarr")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("https://x.org/a.zarr", "-o", "{out}/a.tif"), 3, "is an address"),
        (("{plate}", "-o", "{out}/a.tif"), 2, "a plate of many images"),
        (("{plate}/A", "-o", "{out}/a.tif"), 3, "without an OME-Zarr image"),
        (("{plate}/A/1/0", "-o", "{plate}"), 6, "holds the input"),
        (("{plate}/A/1/0", "-o", "{plate}", "--overwrite"), 6, "holds the input"),
        (("{out}", "-o", "{out}/a.zarr"), 3, "No file in"),
    ],
)
def test_what_is_refused(run_cli, plate, tmp_path, arguments, code, message):
    out = tmp_path / "out"
    out.mkdir()
    places = {"plate": plate, "out": out}
    done = run_cli("deblur", "-m", "unsharp", *(each.format(**places) for each in arguments))
    assert (done.code, message in done.err) == (code, True), done.err


@pytest.mark.parametrize("direction", ["in", "out"])
def test_without_zarr(run_program, program_environment, image, tmp_path, direction):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['zarr'] = None\n")
    paths = program_environment["PYTHONPATH"]
    program_environment["PYTHONPATH"] = f"{hidden}:{paths}"
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    ways = {"in": (tmp_path / "a.zarr", "b.tif"), "out": (image, "b.zarr")}
    source, target = ways[direction]
    done = run_program("deblur", source, "-m", "unsharp", "-o", tmp_path / target)
    assert done.code == (3 if direction == "in" else 6)
    assert 'pip install "focusfix[zarr]"' in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_killed_run_leaves_no_image(run_program, image, tmp_path):
    target = tmp_path / "out.zarr"
    (tmp_path / "out.zarr.partial" / "0").mkdir(parents=True)
    done = run_program("deblur", image, "-m", "unsharp", "-o", target)
    assert done.code == 0, done.err
    assert not (tmp_path / "out.zarr.partial").exists()
    assert check_valid(target)


def test_training_on_a_plate_is_like_training_on_files(tmp_path, save_plate, draw_nuclei, run_cli):
    fields = {}
    for seed, field in enumerate(("A/1/0", "A/1/1", "B/3/0")):
        plane = draw_nuclei((48, 40), seed=seed)
        fields[field] = np.stack([gaussian_filter(plane.astype(float), 3).astype(np.uint16), plane])
        file = tmp_path / "files" / f"{field}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(file, fields[field], imagej=True, metadata={"axes": "ZYX"})
    plate = save_plate(tmp_path / "plate.zarr", fields, "zyx", scale=SCALES, chunks=(1, 30, 30))
    options = (
        "--model", "multilevel-unet", "--model-setting", "levels=1", "--crop-size", "32",
        "--model-setting", "base-width=2", "--batch-size", "2", "--steps", "3", "--device", "cpu",
    )  # fmt: skip
    told = json.loads(run_cli("train", plate, "--dry-run", "--json", *options).out)
    assert (told["fields"], told["wells"], told["z_levels"]) == (3, 2, [0, 1])
    logs = []
    for data in (plate, tmp_path / "files"):
        run = tmp_path / f"{data.stem}_run"
        done = run_cli("train", data, "-o", run, *options, "--split-by", "field")
        assert done.code == 0, done.err
        logs.append((run / "log.csv").read_text())
    assert logs[0] == logs[1]
