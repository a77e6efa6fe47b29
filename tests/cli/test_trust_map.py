"""``deblur --trust-map``, the re-blur check of every record, and warnings of odd images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

TRUST = {"weights": (0.4, 0.3, 0.2, -0.1, 0.5, -0.2, 0.3), "fields": 12, "fitted_on": "tests"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory, save_weights, save_random_weights) -> Path:
    """Weights with and without a calibration, and those that read blur."""
    folder = tmp_path_factory.mktemp("installed")
    save_weights(folder / "bare.safetensors", pixel_size_um=(0.15, 2.0))
    save_weights(folder / "fitted.safetensors", trust=TRUST, blur_radius_px=(0.0, 1.0))
    save_random_weights(folder / "latent-line.safetensors", "latent-line")
    return folder


@pytest.fixture(autouse=True)
def _shipped(monkeypatch, installed) -> None:
    monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: installed)


@pytest.fixture
def field(tmp_path, draw_nuclei) -> Path:
    """An image that is large enough to tell its blur."""
    path = tmp_path / "field.tif"
    tifffile.imwrite(
        path, draw_nuclei((140, 132)), imagej=True, resolution=(2, 2), metadata={"unit": "um"}
    )
    return path


def test_map_beside_the_result(run_cli, image):
    output, target = image.with_name("out.tif"), image.with_name("map.tif")
    done = run_cli("deblur", image, "-m", "bare", "-o", output, "--trust-map", target)
    assert done.code == 0, done.err
    assert done.out == f"{output}\n"
    assert f"warning: {target} is uncalibrated" in done.err
    errors = tifffile.imread(target)
    assert (errors.dtype, errors.shape) == (np.float32, (80, 72))
    assert errors.min() > 0
    with tifffile.TiffFile(target) as tiff:
        assert tiff.pages[0].tags["XResolution"].value == (2, 1)
        assert tiff.imagej_metadata["unit"] == "um"
        assert tiff.imagej_metadata["Info"].startswith("uncalibrated trust map")
    record = json.loads((image.parent / "out.tif.focusfix.json").read_text())["trust_map"]
    assert record["path"] == str(target)
    assert record["calibrated"] is False
    assert record["mean"] == pytest.approx(errors.mean(), rel=1e-5)
    large = (errors > record["contrast"] / 10).mean()
    assert record["share_above_tenth_of_contrast"] == pytest.approx(large)
    assert not list(image.parent.glob("map.tif.*"))


def test_calibrated_map(run_cli, image):
    output, target = image.with_name("out.tif"), image.with_name("map.tif")
    done = run_cli(
        "deblur", image, "-m", "fitted", "-o", output, "--trust-map", target, "--json"
    )  # fmt: skip
    assert "uncalibrated" not in done.err
    record = json.loads(done.out)["trust_map"]
    assert record["calibrated"]
    assert record["calibration_fields"] == 12
    with tifffile.TiffFile(target) as tiff:
        assert "absolute error to expect" in tiff.imagej_metadata["Info"]


def test_maps_of_a_plate_are_a_plate(run_cli, tmp_path, save_plate, draw_nuclei):
    zarr = pytest.importorskip("zarr")
    fields = {"A/1/0": draw_nuclei((64, 56), seed=0), "B/3/0": draw_nuclei((64, 56), seed=1)}
    plate = save_plate(tmp_path / "plate.zarr", fields, "yx", chunks=(30, 30))
    files = tmp_path / "files"
    files.mkdir()
    for seed, pixels in enumerate(fields.values()):
        tifffile.imwrite(files / f"{seed}.tif", pixels)
    maps = []
    for data, suffix in ((plate, ".zarr"), (files, "/")):
        output, trust = f"{tmp_path}/out{suffix}", f"{tmp_path}/maps{suffix}"
        done = run_cli("deblur", data, "-m", "fitted", "-o", output, "--trust-map", trust)
        assert done.code == 0, done.err
    for seed, field in enumerate(fields):
        level = zarr.open_array(tmp_path / "maps.zarr" / field / "0", mode="r")
        assert level.dtype == np.float32
        maps.append(level[...])
        np.testing.assert_array_equal(maps[-1], tifffile.imread(tmp_path / "maps" / f"{seed}.tif"))
    assert not np.array_equal(*maps)
    scored = run_cli(
        "score", tmp_path / "out.zarr", "--reference", plate,
        "--trust-map", tmp_path / "maps.zarr", "--format", "json",
    )  # fmt: skip
    assert scored.code == 0, scored.err
    found = [json.loads(line) for line in scored.out.splitlines()]
    assert "maps.zarr/A/1/0" in found[0]["trust_map"]


def test_map_scales_with_the_grey_values(run_cli, image):
    pixels = tifffile.imread(image).astype(np.float32)
    maps = []
    for factor in (1, 50):
        path = image.with_name(f"times{factor}.tif")
        tifffile.imwrite(path, 7 + factor * pixels)
        target = image.with_name(f"map{factor}.tif")
        run_cli("deblur", path, "-m", "fitted", "-o", f"{path}.out.tif", "--trust-map", target)
        maps.append(tifffile.imread(target))
    np.testing.assert_allclose(maps[1], 50 * maps[0], rtol=2e-3)


def test_copied_channels_have_no_errors(run_cli, stack):
    output, target = stack.with_name("out.tif"), stack.with_name("map.tif")
    done = run_cli(
        "deblur", stack, "--channel", 1, "-m", "bare", "-o", output, "--trust-map", target,
        "--json",
    )  # fmt: skip
    errors = tifffile.imread(target)
    assert errors.shape == (3, 2, 64, 56)
    assert not errors[:, 0].any()
    assert (errors[:, 1] > 0).all()
    with tifffile.TiffFile(target) as tiff:
        assert tiff.series[0].axes == "ZCYX"
        assert tiff.imagej_metadata["spacing"] == 1.5
    assert json.loads(done.out)["trust_map"]["mean"] == pytest.approx(errors[:, 1].mean(), rel=1e-5)


def test_colours_have_maps_of_their_own(run_cli, tmp_path, draw_nuclei):
    rgba = np.stack([draw_nuclei((48, 56), seed=s) // 16 for s in range(4)], axis=-1)
    tifffile.imwrite(
        tmp_path / "in.tif", rgba.astype(np.uint8), photometric="rgb", extrasamples=["unassalpha"]
    )
    target = tmp_path / "map.tif"
    done = run_cli(
        "deblur", tmp_path / "in.tif", "-m", "bare", "-o", tmp_path / "out.tif",
        "--trust-map", target,
    )  # fmt: skip
    assert done.code == 0, done.err
    errors = tifffile.imread(target)
    assert errors.shape == (48, 56, 4)
    assert (errors[..., :3] > 0).all()
    assert not errors[..., 3].any()
    with tifffile.TiffFile(target) as tiff:
        assert tiff.pages[0].description.startswith("uncalibrated trust map")


def test_maps_of_several_images(run_cli, image, tmp_path):
    shutil.copy(image, tmp_path / "second.tif")
    arguments = ["deblur", image, tmp_path / "second.tif", "-m", "bare"]
    done = run_cli(*arguments, "-o", tmp_path / "out", "--trust-map", tmp_path / "maps")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["in.tif", "second.tif"]
    done = run_cli(
        *arguments, "-o", tmp_path / "new", "--trust-map", tmp_path / "new/{stem}_map.tif"
    )
    assert done.code == 0, done.err
    assert (tmp_path / "new/second_map.tif").exists()


def test_existing_maps_are_kept(run_cli, image, tmp_path):
    output, target = tmp_path / "out.tif", tmp_path / "map.tif"
    target.write_bytes(b"precious")
    arguments = ["deblur", image, "-m", "bare", "-o", output, "--trust-map", target]
    done = run_cli(*arguments)
    assert done.code == 6
    assert f"{target} exists already" in done.err
    assert (target.read_bytes(), output.exists()) == (b"precious", False)
    assert run_cli(*arguments, "--overwrite").code == 0
    assert tifffile.imread(target).dtype == np.float32


def test_skip_existing_leaves_out_what_is_done(run_cli, image, tmp_path):
    shutil.copy(image, tmp_path / "second.tif")
    arguments = [
        "deblur", image, tmp_path / "second.tif", "-m", "bare", "-o", tmp_path / "out",
        "--trust-map", tmp_path / "maps", "--skip-existing",
    ]  # fmt: skip
    assert run_cli(*arguments).code == 0
    (tmp_path / "out/second.tif").unlink()
    (tmp_path / "maps/in.tif").write_bytes(b"as it was")
    done = run_cli(*arguments)
    assert (done.code, done.out) == (0, f"{tmp_path / 'out/second.tif'}\n")
    assert (tmp_path / "maps/in.tif").read_bytes() == b"as it was"


@pytest.mark.parametrize("alpha", ["0.5", "auto"])
def test_latent_line_models_have_maps_too(run_cli, image, alpha):
    target = image.with_name("map.tif")
    done = run_cli(
        "deblur", image, "-m", "latent-line", "--self-blur-um", 0.5, "--alpha", alpha,
        "-o", image.with_name("out.tif"), "--trust-map", target,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert tifffile.imread(target).min() > 0


def test_models_with_codes_have_maps_too(run_cli, image, code_weights):
    target = image.with_name("map.tif")
    done = run_cli(
        "deblur", image, "-m", code_weights, "-o", image.with_name("out.tif"),
        "--trust-map", target,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert tifffile.imread(target).min() > 0


@pytest.mark.parametrize(
    ("options", "code", "cause"),
    [
        (["-m", "unsharp"], 2, "--trust-map is for models with weights, not for unsharp"),
        (["-m", "latent-line", "--alphas", "0.5:1:0.5"], 2, "not with a series of alphas"),
        (["-m", "latent-line", "--blurrier", "in.tif"], 2, "not with --blurrier"),
        (["-m", "bare", "--trust-map", "map.png"], 6, "map.png would be neither TIFF nor"),
        (["-m", "bare", "--trust-map", "out.tif"], 2, "would be written over the output"),
        (["-m", "bare", "--trust-map", "in.tif", "--overwrite"], 6, "is the input in.tif"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(run_cli, image, monkeypatch, options, code, cause):
    monkeypatch.chdir(image.parent)
    done = run_cli("deblur", "in.tif", "-o", "out.tif", "--trust-map", "map.tif", *options)
    assert done.code == code
    assert cause in done.err
    assert sorted(path.name for path in image.parent.iterdir()) == ["in.tif"]


def test_refocusers_have_no_maps(run_cli, image, tmp_path, save_random_weights):
    weights = save_random_weights(tmp_path / "refocus.safetensors", "refocus")
    arguments = ["deblur", image, "-m", weights, "--dz-um", 2, "-o", tmp_path / "out.tif"]
    done = run_cli(*arguments, "--trust-map", tmp_path / "map.tif")
    assert done.code == 2
    assert "brings images to another plane" in done.err
    assert not (tmp_path / "out.tif").exists()


def test_weights_that_read_blur_must_be_there(run_cli, image, tmp_path, monkeypatch, tiny_weights):
    monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: tmp_path / "nothing")
    output = tmp_path / "out.tif"
    done = run_cli("deblur", image, "-m", tiny_weights, "-o", output, "--trust-map", "map.tif")
    assert done.code == 4
    assert "--trust-map needs the weights latent-line, which read blur" in done.err
    assert not output.exists()


class TestReBlurCheck:
    """Every record says whether the result, blurred again, gives the image back."""

    def test_record_and_report(self, run_cli, field, tmp_path):
        output, report = tmp_path / "out.tif", tmp_path / "report.json"
        done = run_cli("deblur", field, "-m", "bare", "-o", output, "--report", report)
        assert done.code == 0, done.err
        [record] = json.loads(report.read_text())["files"]
        sidecar = json.loads((tmp_path / "out.tif.focusfix.json").read_text())
        [check] = record["models"][0]["re_blur"]["channels"]
        assert sidecar["models"][0]["re_blur"]["channels"] == [check]
        assert check["channel"] == 0
        assert check["residual_over_contrast"] == pytest.approx(
            check["residual"] / check["contrast"]
        )
        assert check["contrast"] == pytest.approx(tifffile.imread(field).std(), rel=0.3)
        assert 0 <= check["blur_radius_px"] < 40

    def test_bad_results_and_unknown_blur_are_warned_of(self, run_cli, field, tmp_path):
        """Random weights give results that explain nothing, and training knew 1 pixel of blur."""
        done = run_cli("deblur", field, "-m", "fitted", "-o", tmp_path / "out.tif", "--json")
        [check] = json.loads(done.out)["models"][0]["re_blur"]["channels"]
        assert ("blurred again" in done.err) == (check["residual_over_contrast"] > 0.2)
        assert ("goes beyond the 1" in done.err) == (check["blur_radius_px"] > 1.15)

    def test_models_without_weights_are_checked_for_reports(self, run_cli, field, tmp_path):
        output, report = tmp_path / "out.tif", tmp_path / "report.json"
        arguments = ["deblur", field, "-m", "unsharp", "-o", output]
        done = run_cli(*arguments, "--report", report)
        assert done.code == 0, done.err
        [record] = json.loads(report.read_text())["files"]
        [check] = record["re_blur"]["channels"]
        assert check["residual"] > 0
        done = run_cli(*arguments, "--json", "--overwrite")
        assert "for --report only" in json.loads(done.out)["re_blur"]["not_made"]

    def test_small_images_do_not_tell_their_blur(self, run_cli, image):
        done = run_cli("deblur", image, "-m", "bare", "-o", image.with_name("o.tif"), "--json")
        [model] = json.loads(done.out)["models"]
        assert "less than 128 pixels" in model["re_blur"]["not_made"]

    def test_without_the_weights_the_record_says_so(
        self, run_cli, field, tmp_path, monkeypatch, tiny_weights
    ):
        monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: tmp_path / "nothing")
        output = tmp_path / "out.tif"
        done = run_cli("deblur", field, "-m", tiny_weights, "-o", output, "--json")
        assert done.code == 0
        [model] = json.loads(done.out)["models"]
        assert "no weights called 'latent-line'" in model["re_blur"]["not_made"]


class TestOddImages:
    """What is unlike training is said, and nothing else."""

    @pytest.fixture
    def warnings_of(self, run_cli, tmp_path):
        def deblur(pixels: np.ndarray, *options: object) -> str:
            path = tmp_path / "odd.tif"
            tifffile.imwrite(path, pixels, photometric="minisblack")
            arguments = ["-m", "bare", "-o", tmp_path / "out.tif", "--overwrite", *options]
            done = run_cli("deblur", path, *arguments)
            assert done.code == 0, done.err
            told = [line for line in done.err.splitlines() if line.startswith("warning")]
            return "\n".join(told)

        return deblur

    def test_cells_are_nothing_odd(self, run_cli, field, tmp_path):
        done = run_cli("deblur", field, "-m", "bare", "-o", tmp_path / "out.tif")
        told = [line for line in done.err.splitlines() if "warning" in line]
        assert [
            line for line in told if "blurred again" not in line and "clipped" not in line
        ] == []

    def test_photograph(self, warnings_of):
        from skimage import data

        camera = data.camera()[64:448, 64:448]
        assert "detail of all sizes, like a photograph" in warnings_of(camera)

    def test_bright_field_into_fluorescence(self, warnings_of, draw_nuclei):
        bright = 4000 - np.minimum(draw_nuclei((140, 140)), 4000)
        assert "looks like brightfield, the model bare was trained on" in warnings_of(bright)

    def test_wrong_magnification(self, run_cli, tmp_path, draw_nuclei):
        path = tmp_path / "far.tif"
        tifffile.imwrite(
            path, draw_nuclei((80, 72)), imagej=True, resolution=(0.1, 0.1), metadata={"unit": "um"}
        )
        done = run_cli("deblur", path, "-m", "bare", "-o", tmp_path / "out.tif")
        assert "its pixel size 10 um is far from the 0.15 to 2 um" in done.err

    def test_noise_alone(self, warnings_of):
        noise = np.random.default_rng(0).normal(500, 20, (150, 150)).astype(np.uint16)
        assert "shows nothing above its noise" in warnings_of(noise)

    def test_noisy_saturated_and_posterised(self, warnings_of, draw_nuclei):
        cells = draw_nuclei((160, 160)).astype(float)
        noise = np.random.default_rng(0).normal(0, 300, cells.shape)
        assert "of its range of intensities, more than any" in warnings_of(
            (cells + noise).clip(0).astype(np.uint16)
        )
        saturated = np.minimum(cells, 300).astype(np.uint16)
        assert "hold its brightest value" in warnings_of(saturated)
        assert "grey values only" in warnings_of((cells // 200).astype(np.uint8))
