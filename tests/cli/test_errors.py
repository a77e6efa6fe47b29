"""What can go wrong, as a user meets it: one message, the right exit code, nothing left behind."""

import pickle
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.errors import OutOfMemoryError


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


def no_image(folder: Path) -> Path:
    path = folder / "notes.tif"
    path.write_text("these are notes, not an image")
    return path


def truncated(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 999, (64, 64), dtype=np.uint16)
    path = write(folder / "cut.tif", pixels)
    path.write_bytes(path.read_bytes()[:3000])
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.tif"
    path.touch()
    return path


def constant(folder: Path) -> Path:
    return write(folder / "flat.tif", np.full((32, 32), 7, np.uint16))


def with_gaps(folder: Path) -> Path:
    pixels = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    return write(folder / "gaps.tif", pixels)


@pytest.fixture
def fails(run_program, tmp_path) -> Callable[..., str]:
    """Run a command that must fail; return its message."""

    def run(code: int, *arguments: object, **options: object) -> str:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        done = run_program(*arguments, **options)
        after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert done.code == code, done.err
        assert done.out == ""
        assert after == before
        messages = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert len(messages) == 1, done.err
        assert "Traceback" not in done.err
        return messages[0]

    return run


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing.tif", ("missing.tif does not exist", "Check the path")),
        (no_image, ("notes.tif is not a TIFF, PNG or JPEG image",)),
        (truncated, ("cut.tif",)),
        (empty, ("empty.tif is empty (0 bytes)",)),
        (constant, ("flat.tif holds one grey value only", "Check that it is the right file")),
        (with_gaps, ("gaps.tif: 2 pixels are NaN or Inf", "row 3, column 4", "--nan-policy fill")),
    ],
    ids=["missing", "no-image", "truncated", "zero-size", "constant", "nan"],
)
def test_bad_input(fails, tmp_path, tiny_weights, make, words):
    message = fails(3, "deblur", make(tmp_path), "-m", tiny_weights, "-o", tmp_path / "out.tif")
    for word in words:
        assert word in message


@pytest.mark.parametrize("axes", ["ABC", "ZYX"])
def test_axes_that_do_not_fit(fails, image, tiny_weights, axes):
    output = image.with_name("out.tif")
    message = fails(3, "deblur", image, "--axes", axes, "-m", tiny_weights, "-o", output)
    assert axes in message


def test_channel_that_is_not_there(fails, stack, tiny_weights):
    output = stack.with_name("out.tif")
    message = fails(2, "deblur", stack, "--channel", 2, "-m", tiny_weights, "-o", output)
    assert "There is no channel 2: the image has 2" in message


def make_corrupt(path: Path) -> Path:
    path.write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00" + b"x" * 99)
    return path


def make_foreign(path: Path) -> Path:
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, np.float32)}, path)
    return path


def make_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps({"weight": [1, 2, 3]}))
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: "flourescence", "There are no weights called 'flourescence'"),  # noqa: ARG005
        (lambda path: path, "there is no such weights file"),
        (make_corrupt, "weights.safetensors"),
        (make_foreign, "has no focusfix header"),
        (make_pickle, "weights.safetensors"),
    ],
    ids=["unknown", "missing", "corrupt", "foreign", "pickle"],
)
def test_bad_model(fails, image, make, words):
    model = make(image.with_name("weights.safetensors"))
    assert words in fails(4, "deblur", image, "-m", model, "-o", image.with_name("out.tif"))


def test_missing_device(fails, image, tiny_weights):
    torch = pytest.importorskip("torch")
    missing = f"cuda:{torch.cuda.device_count()}"
    output = image.with_name("out.tif")
    message = fails(4, "deblur", image, "-m", tiny_weights, "--device", missing, "-o", output)
    assert f"{missing} is not available" in message
    assert "--device auto" in message


def test_existing_output(fails, image, tiny_weights):
    output = image.with_name("out.tif")
    output.write_bytes(b"precious")
    message = fails(6, "deblur", image, "-m", tiny_weights, "-o", output)
    assert "out.tif exists already" in message
    assert "--overwrite" in message


def test_folder_that_cannot_be_written(fails, image, tiny_weights):
    (image.parent / "file").touch()
    output = image.parent / "file" / "out.tif"
    assert "file" in fails(6, "deblur", image, "-m", tiny_weights, "-o", output)


def test_full_disk(fails, tmp_path, draw_nuclei, tiny_weights):
    """A limit on the size of files stands in for a disk without space."""
    source = write(tmp_path / "big.tif", draw_nuclei((256, 256)))
    limit = source.stat().st_size // 2
    message = fails(
        6, "deblur", source, "-m", tiny_weights, "-o", tmp_path / "out.tif",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert "out.tif could not be written: the disk is full" in message


def test_output_that_is_the_input(fails, image, tiny_weights):
    message = fails(6, "deblur", image, "-m", tiny_weights, "--overwrite", "-o", image)
    assert "is the input" in message


def test_two_inputs_for_one_output(fails, tmp_path, image, tiny_weights):
    other = tmp_path / "other" / "in.tif"
    other.parent.mkdir()
    other.write_bytes(image.read_bytes())
    message = fails(2, "deblur", image, other, "-m", tiny_weights, "-o", tmp_path / "out")
    assert "would both be written to" in message


def test_halo_below_the_reach(run_cli, image, tiny_weights):
    output = image.with_name("out.tif")
    done = run_cli("deblur", image, "-m", tiny_weights, "--halo", 4, "-o", output)
    assert done.code == 2
    assert "--halo 4 is less than the network's reach" in done.err
    assert not output.exists()


def test_memory_that_does_not_suffice(run_cli, image, tiny_weights, monkeypatch):
    def refuse(self, tiles):  # noqa: ARG001 - signature of the method it stands in for
        raise OutOfMemoryError("No memory.", "Buy some.")

    monkeypatch.setattr("focusfix.runtime.executor.NetworkFunction.__call__", refuse)
    done = run_cli("deblur", image, "-m", tiny_weights, "-o", image.with_name("out.tif"))
    assert done.code == 5
    assert "in.tif: Memory does not suffice for tiles of" in done.err
    assert [path.name for path in image.parent.iterdir()] == ["in.tif"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deblur"], "No input was given"),
        (["deblur", "in.tif"], "No output was given"),
        (["deblur", "in.tif", "-o", "out.tif", "--tile-size", "big"], "--tile-size takes auto or"),
        (["deblur", "in.tif", "-o", "out.tif", "--batch-size", "0"], "at least 1, not '0'"),
        (["deblur", "in.tif", "-o", "out.tif", "--dtype", "int8"], "--dtype"),
        (["deblur", "in.tif", "--colour", "0.1"], "No such option: --colour"),
        (["sharpen"], "No such command 'sharpen'"),
        (["info"], "No input was given"),
        (["synthesize-blur", "in.tif", "-o", "out.tif"], "No amount of blur was given"),
    ],
)
def test_usage(run_cli, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    done = run_cli(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert done.err.startswith("error: ")


def test_debug_shows_the_traceback(run_cli):
    done = run_cli("info", "missing.tif", "--debug")
    assert done.code == 3
    assert "Traceback" in done.err
    assert "error: missing.tif does not exist" in done.err


def test_unforeseen_error(run_program, tmp_path, program_environment, monkeypatch):
    """A bug is told in one sentence; a module that fails on import stands in for one."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "platformdirs.py").write_text("1 / 0")
    path = f"{broken}:{program_environment['PYTHONPATH']}"
    monkeypatch.setitem(program_environment, "PYTHONPATH", path)
    monkeypatch.delitem(program_environment, "FOCUSFIX_CACHE_DIR")
    done = run_program("models", "list")
    assert done.code == 1
    assert done.err.startswith("error: focusfix met a case it was not made for (ZeroDivisionError:")
    assert "--debug" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in run_program("models", "list", "--debug").err
