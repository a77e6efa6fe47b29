"""``focusfix deblur`` from file to file."""

import json
import threading
from hashlib import sha256

import numpy as np
import pytest
import tifffile

import focusfix
from focusfix.engine import overlap


@pytest.fixture(scope="session")
def brightfield_weights(tmp_path_factory, save_weights):
    folder = tmp_path_factory.mktemp("both")
    save_weights(folder / "fluorescence.safetensors")
    save_weights(folder / "brightfield.safetensors", modality="brightfield")
    return folder


def read_tags(path) -> tuple[str, tuple[int, ...], np.dtype, dict]:
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        return series.axes, series.shape, series.dtype, dict(tiff.imagej_metadata or {})


def test_image_keeps_what_it_is(run_cli, stack, tiny_weights):
    output = stack.with_name("out.tif")
    done = run_cli("deblur", stack, "-m", tiny_weights, "-o", output)
    assert (done.code, done.out) == (0, f"{output}\n")
    assert "computing on" in done.err
    axes, shape, dtype, metadata = read_tags(output)
    assert (axes, shape, dtype) == ("ZCYX", (3, 2, 64, 56), np.uint16)
    assert metadata["spacing"] == 1.5
    assert not np.array_equal(tifffile.imread(output), tifffile.imread(stack))
    assert sorted(path.name for path in stack.parent.iterdir()) == [
        "out.tif", "out.tif.focusfix.json", "stack.tif",
    ]  # fmt: skip


def test_sidecar_says_what_was_done(run_cli, image, tiny_weights):
    output = image.with_name("out.tif")
    done = run_cli("deblur", image, "-m", tiny_weights, "-o", output, "--seed", 3, "--json")
    record = json.loads(done.out)
    assert json.loads((output.parent / "out.tif.focusfix.json").read_text()) == record
    assert record["schema_version"] == 1
    assert record["focusfix"] == focusfix.__version__
    assert record["input_sha256"] == sha256(image.read_bytes()).hexdigest()
    assert record["seed"] == 3
    assert 0 <= record["clipped_share"] < 1
    [model] = record["models"]
    assert model["sha256"] == sha256(tiny_weights.read_bytes()).hexdigest()
    assert (model["device"], model["channels"]) == ("cpu", [0])
    [scale] = model["intensity_scales"]
    pixels = tifffile.imread(image)
    low, high = np.percentile(pixels, (0.1, 99.9))
    assert scale["offset"] == pytest.approx(low)
    assert 1 / scale["gain"] == pytest.approx(high - low)
    assert model["tiles"]["exact"]


def test_no_sidecar(run_cli, image, tiny_weights):
    output = image.with_name("out.tif")
    run_cli("deblur", image, "-m", tiny_weights, "-o", output, "--no-sidecar")
    assert sorted(path.name for path in image.parent.iterdir()) == ["in.tif", "out.tif"]


def test_other_channels_are_copied(run_cli, stack, tiny_weights):
    output = stack.with_name("out.tif")
    assert run_cli("deblur", stack, "--channel", 1, "-m", tiny_weights, "-o", output).code == 0
    before, after = tifffile.imread(stack), tifffile.imread(output)
    assert np.array_equal(after[:, 0], before[:, 0])
    assert all(not np.array_equal(a, b) for a, b in zip(after[:, 1], before[:, 1], strict=True))


def test_memory_that_is_allowed_decides_on_tiles_and_nothing_else(run_cli, image, tiny_weights):
    tiles, pixels = [], []
    for number, size in enumerate(("2GB", "501MB")):
        output = image.with_name(f"{number}.tif")
        options = ("-m", tiny_weights, "-o", output, "--max-memory", size, "--json")
        [model] = json.loads(run_cli("deblur", image, *options).out)["models"]
        tiles.append(model["tiles"]["shape_px"])
        pixels.append(tifffile.imread(output).astype(int))
    assert tiles[1] < tiles[0]
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1)  # rounded to whole grey values


def test_small_tiles_and_batches_change_nothing(run_cli, image, tiny_weights):
    first, second = image.with_name("one.tif"), image.with_name("tiled.tif")
    common = ("deblur", image, "-m", tiny_weights, "--dtype", "float32", "--precision", "fp32")
    run_cli(*common, "-o", first)
    run_cli(*common, "-o", second, "--tile-size", 128, "--halo", 48, "--batch-size", 3)
    whole, tiled = tifffile.imread(first), tifffile.imread(second)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(tiled, whole, atol=1e-5 * np.ptp(whole))


def test_threads_overlap_several_tiles_only(run_cli, image, tiny_weights, monkeypatch):
    """Many small images spend no time on starting threads that have nothing to do meanwhile."""
    started = []

    class Noted(threading.Thread):
        def start(self):
            started.append(self.name)
            super().start()

    monkeypatch.setattr(overlap, "Thread", Noted)
    common = ("deblur", image, "-m", tiny_weights, "-o", image.with_name("out.tif"), "--overwrite")
    assert run_cli(*common).code == 0
    assert started == []
    assert run_cli(*common, "--tile-size", 128, "--halo", 48).code == 0
    assert sorted(started) == ["focusfix-read", "focusfix-write"]


@pytest.mark.parametrize(
    ("options", "offset", "span"),
    [(["--camera-offset", 90], 90, None), (["--normalize", "dtype"], 0, 65535)],
)
def test_intensity_scale_of_the_user(run_cli, image, tiny_weights, options, offset, span):
    output = image.with_name("out.tif")
    done = run_cli("deblur", image, "-m", tiny_weights, "-o", output, "--json", *options)
    [scale] = json.loads(done.out)["models"][0]["intensity_scales"]
    assert scale["offset"] == offset
    if span is not None:
        assert 1 / scale["gain"] == pytest.approx(span)


def test_pixel_size_of_the_user_is_written(run_cli, image, tiny_weights):
    output = image.with_name("out.tif")
    run_cli("deblur", image, "-m", tiny_weights, "-o", output, "--pixel-size-um", 0.25)
    with tifffile.TiffFile(output) as tiff:
        numerator, denominator = tiff.pages[0].tags["XResolution"].value
    assert numerator / denominator == pytest.approx(4)


def test_gaps_are_filled_on_request(run_cli, tmp_path, draw_nuclei, tiny_weights):
    pixels = draw_nuclei((48, 48)).astype(np.float32)
    pixels[3, 4], pixels[7, 8] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "gaps.tif", pixels)
    done = run_cli(
        "deblur", tmp_path / "gaps.tif", "-m", tiny_weights, "--nan-policy", "fill",
        "-o", tmp_path / "out.tif", "--json",
    )  # fmt: skip
    assert done.code == 0
    assert "2 pixels that are NaN or Inf were replaced" in done.err
    assert json.loads(done.out)["filled_pixels"] == 2
    assert np.isfinite(tifffile.imread(tmp_path / "out.tif")).all()


class TestModelAuto:
    """Each channel gets the weights for what it looks like."""

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch, brightfield_weights):
        monkeypatch.setenv("FOCUSFIX_MODEL_PATH", str(brightfield_weights))
        monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: brightfield_weights)

    def test_channels_of_both_kinds(self, run_cli, tmp_path, draw_nuclei):
        dark = draw_nuclei((48, 56))
        bright = 4000 - np.minimum(draw_nuclei((48, 56), seed=1), 4000)
        tifffile.imwrite(
            tmp_path / "both.tif", np.stack([[dark, bright]] * 2), metadata={"axes": "TCYX"}
        )
        done = run_cli("deblur", tmp_path / "both.tif", "-o", tmp_path / "out.tif", "--json")
        assert done.code == 0, done.err
        assert "channel 0 looks like fluorescence, using the model fluorescence" in done.err
        assert "channel 1 looks like brightfield, using the model brightfield" in done.err
        models = json.loads(done.out)["models"]
        assert [(model["name"], model["channels"]) for model in models] == [
            ("fluorescence", [0]),
            ("brightfield", [1]),
        ]
        before, after = (tifffile.imread(tmp_path / name) for name in ("both.tif", "out.tif"))
        assert after.shape == before.shape
        correlation = [
            np.corrcoef(a.ravel(), b.ravel())[0, 1]
            for a, b in zip(after[0], before[0], strict=True)
        ]
        assert min(correlation) > 0.5

    def test_rgb(self, run_cli, tmp_path, draw_nuclei):
        bright = 250 - np.minimum(draw_nuclei((48, 56)) // 16, 200)
        rgb = np.stack([bright, bright // 2 + 100, bright], axis=-1).astype(np.uint8)
        tifffile.imwrite(tmp_path / "rgb.tif", rgb, photometric="rgb")
        done = run_cli("deblur", tmp_path / "rgb.tif", "-o", tmp_path / "out.tif")
        assert "looks like brightfield, using the model brightfield" in done.err
        assert read_tags(tmp_path / "out.tif")[:3] == ("YXS", (48, 56, 3), np.uint8)

    def test_model_for_something_else(self, run_cli, image):
        output = image.with_name("out.tif")
        done = run_cli("deblur", image, "-m", "brightfield", "-o", output)
        assert done.code == 0
        assert "warning:" in done.err
        assert (
            "looks like fluorescence, the model brightfield was trained on brightfield" in done.err
        )


def test_pixel_size_far_from_the_model_card(run_cli, image, tmp_path, save_weights):
    weights = save_weights(tmp_path / "w.safetensors", pixel_size_um=(0.05, 0.1))
    done = run_cli("deblur", image, "-m", weights, "-o", tmp_path / "out.tif")
    assert "its pixel size 0.5 um is far from the 0.05 to 0.1 um" in done.err


def test_weights_that_differ_from_the_list_of_checksums(run_cli, image, tmp_path, save_weights):
    weights = save_weights(tmp_path / "w.safetensors")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  w.safetensors\n")
    done = run_cli("deblur", image, "-m", weights, "-o", tmp_path / "out.tif")
    assert done.code == 4
    assert "checksum differs" in done.err
    assert not (tmp_path / "out.tif").exists()


def test_quiet_says_nothing(run_cli, image, tiny_weights):
    done = run_cli(
        "deblur", image, "-m", tiny_weights, "-q", "--dtype", "float32",
        "-o", image.with_name("out.tif"),
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
