"""Models that move along a line or swap blur codes: deblur, synthesize-blur, interpolate."""

import csv
import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from focusfix.operations.alpha import ALPHAS
from focusfix.optics import OpticsSettings, blur_radius_px, defocus_psf, image_plane


@pytest.fixture
def blurrier(image):
    """A blurrier image of the same field."""
    path = image.with_name("blurrier.tif")
    pixels = ndimage.gaussian_filter(tifffile.imread(image).astype(float), 3)
    tifffile.imwrite(
        path, pixels.round().astype(np.uint16), imagej=True, resolution=(2, 2),
        metadata={"unit": "um"},
    )  # fmt: skip
    return path


def read_sidecar(path):
    return json.loads(path.with_name(f"{path.name}.focusfix.json").read_text())


@pytest.fixture(params=["line_weights", "code_weights"])
def weights(request):
    return request.getfixturevalue(request.param)


class TestAsAUser:
    """Each command with each family, in a process of its own."""

    def test_deblur(self, run_program, image, blurrier, weights):
        output = image.with_name("out.tif")
        extra = ("--blurrier", blurrier, "--alpha", 0.5) if "line" in weights.name else ()
        done = run_program("deblur", image, "-m", weights, *extra, "-o", output)
        assert (done.code, done.out) == (0, f"{output}\n"), done.err
        result = tifffile.imread(output)
        assert (result.shape, result.dtype) == ((80, 72), np.uint16)
        assert not np.array_equal(result, tifffile.imread(image))

    def test_synthesize_blur(self, run_program, image, weights, tmp_path):
        folder = tmp_path / "levels"
        done = run_program(
            "synthesize-blur", image, "-m", weights, "--alphas", "0:1:0.5", "-o", folder
        )
        assert done.code == 0, done.err
        names = ["in_alpha0.000.tif", "in_alpha0.500.tif", "in_alpha1.000.tif"]
        assert done.out.splitlines() == [str(folder / name) for name in names]
        levels = [tifffile.imread(folder / name) for name in names]
        np.testing.assert_array_equal(levels[2], tifffile.imread(image))
        assert {level.dtype for level in levels} == {np.dtype(np.uint16)}
        assert not np.array_equal(levels[1], levels[2])

    def test_interpolate(self, run_program, image, blurrier, weights):
        output = image.with_name("series.tif")
        done = run_program(
            "interpolate", image, blurrier, "-m", weights, "--steps", 3, "-o", output
        )
        assert (done.code, done.out) == (0, f"{output}\n"), done.err
        with tifffile.TiffFile(output) as tiff:
            series = tiff.series[0]
            assert (series.axes, series.shape, series.dtype) == ("ZYX", (3, 80, 72), np.uint16)
            assert tiff.imagej_metadata["slices"] == 3
            assert tiff.imagej_metadata["Labels"] == ["alpha 1.000", "alpha 0.500", "alpha 0.000"]
            numerator, denominator = tiff.pages[0].tags["XResolution"].value
            levels = series.asarray()
        assert numerator / denominator == pytest.approx(2)
        np.testing.assert_array_equal(levels[0], tifffile.imread(image))
        if "line" in weights.name:
            np.testing.assert_array_equal(levels[2], tifffile.imread(blurrier))
        assert read_sidecar(output)["alphas"] == [1, 0.5, 0]


class TestDeblurAlongTheLine:
    def deblur(self, run_cli, image, weights, *options):
        output = image.with_name("out.tif")
        done = run_cli("deblur", image, "-m", weights, *options, "-o", output)
        assert done.code == 0, done.err
        return done, output, read_sidecar(output)["models"][0]

    def test_the_sidecar_says_from_where_to_where(self, run_cli, image, blurrier, line_weights):
        _, _, model = self.deblur(
            run_cli, image, line_weights, "--blurrier", blurrier, "--alpha", 0.5
        )
        assert (model["alpha"], model["alpha_from"]) == (0.5, "given")
        assert model["noise_gain"] == pytest.approx(5**0.5)
        assert model["blurrier"]["path"] == str(blurrier)
        assert len(model["blurrier"]["sha256"]) == 64
        both = np.stack([tifffile.imread(image), tifffile.imread(blurrier)])
        [scale] = model["intensity_scales"]
        low, high = np.percentile(both, (0.1, 99.9))
        assert scale["offset"] == pytest.approx(low)
        assert 1 / scale["gain"] == pytest.approx(high - low)

    def test_a_copy_is_blurred_by_the_lens(self, run_cli, image, line_weights):
        done, _, model = self.deblur(
            run_cli, image, line_weights, "--alpha", 0.5, "--numerical-aperture", 0.6
        )
        optics = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.52, pixel_size_um=0.5)
        assert model["self_blur"]["optics"] == optics.model_dump()
        radius = blur_radius_px(optics, model["self_blur"]["dz_um"])
        assert radius == pytest.approx(3, rel=0.01), "half the 6 px of the model card"
        assert "the blurrier end is a copy" in done.err
        _, _, model = self.deblur(
            run_cli, image, line_weights, "--alpha", 0.5, "--self-blur-um", 4, "--overwrite"
        )
        assert model["self_blur"]["dz_um"] == 4

    @pytest.mark.parametrize("pair", [True, False])
    def test_auto_leaves_alone_what_it_cannot_improve(
        self, run_cli, image, blurrier, line_weights, pair
    ):
        second = ("--blurrier", blurrier) if pair else ()
        done, output, model = self.deblur(run_cli, image, line_weights, *second)
        assert "so it is left as it is" in done.err
        assert (model["alpha"], model["alpha_from"]) == (1, "auto")
        assert len(model["alpha_search"]["trials"]) > 5
        np.testing.assert_array_equal(tifffile.imread(output), tifffile.imread(image))

    @pytest.mark.parametrize("estimate", [None, 0.6])
    def test_auto_takes_what_explains_the_image(
        self, run_cli, tmp_path, draw_nuclei, line_weights, monkeypatch, estimate
    ):
        def follow_pixels(_network, sharper, blurrier, *, alpha, psf=None):  # noqa: ARG001
            return sharper + (1 - alpha) / alpha * (sharper - blurrier)

        monkeypatch.setattr(
            "focusfix.models.linear_autoencoder.LinearAutoencoder.extrapolate_images",
            follow_pixels,
        )
        if estimate is not None:
            monkeypatch.setattr(
                "focusfix.models.linear_autoencoder.LinearAutoencoder.best_alpha",
                lambda _network, _sharper, _blurrier: estimate,
                raising=False,
            )
        lens = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.52, pixel_size_um=0.5)
        truth = draw_nuclei((160, 160)).astype(np.float32)
        planes = {}
        for name, dz_um in (("near", 2.0), ("far", 5.0)):
            planes[name] = image_plane(truth, defocus_psf(lens, dz_um))
            tifffile.imwrite(tmp_path / f"{name}.tif", planes[name])
        output = tmp_path / "out.tif"
        done = run_cli(
            "deblur", tmp_path / "near.tif", "--blurrier", tmp_path / "far.tif",
            "-m", line_weights, "-o", output,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert "times as sharp" in done.err
        search = read_sidecar(output)["models"][0]["alpha_search"]
        tried = [trial["alpha"] for trial in search["trials"]]
        assert tried == (list(ALPHAS) if estimate is None else [0.9, 0.78])
        assert search["alpha"] in tried
        inside = (slice(16, -16),) * 2
        before = np.mean((planes["near"] - truth)[inside] ** 2)
        after = np.mean((tifffile.imread(output) - truth)[inside] ** 2)
        assert after < before

    def test_several_alphas_are_a_labelled_series(self, run_cli, image, line_weights, tmp_path):
        done = run_cli(
            "deblur", image, "-m", line_weights, "--alpha", 1, "--alphas", "0.25:0.5:0.25",
            "-o", tmp_path / "sweep",
        )  # fmt: skip
        assert done.code == 0, done.err
        names = [f"in_alpha{label}.tif" for label in ("1.000", "0.250", "0.500")]
        assert done.out.splitlines() == [str(tmp_path / "sweep" / name) for name in names]
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "sweep" / names[0]), tifffile.imread(image)
        )

    def test_noise_is_warned_of(self, run_cli, image, blurrier, line_weights):
        done, _, _ = self.deblur(
            run_cli, image, line_weights, "--blurrier", blurrier, "--alpha", 0.05
        )
        assert "warning: alpha 0.05 amplifies independent noise" in done.err
        assert "27.6 times" in done.err

    def test_swapped_images_are_told(self, run_cli, image, blurrier, line_weights):
        done, _, _ = self.deblur(
            run_cli, blurrier, line_weights, "--blurrier", image, "--alpha", 0.5
        )
        assert f"{image} looks sharper than {blurrier}" in done.err

    def test_images_of_two_fields_are_told(
        self, run_cli, image, draw_nuclei, line_weights, tmp_path
    ):
        other = tmp_path / "other.tif"
        tifffile.imwrite(other, draw_nuclei((80, 72), seed=5))
        done, _, _ = self.deblur(run_cli, image, line_weights, "--blurrier", other, "--alpha", 0.5)
        assert "do not look like one field" in done.err

    def test_tiles_do_not_show(self, run_cli, image, blurrier, line_weights, tmp_path):
        results = []
        for name, options in (("whole", ()), ("tiled", ("--tile-size", 48))):
            output = tmp_path / f"{name}.tif"
            done = run_cli(
                "deblur", image, "--blurrier", blurrier, "-m", line_weights, "--alpha", 0.5,
                "--dtype", "float32", *options, "-o", output,
            )  # fmt: skip
            assert done.code == 0, done.err
            results.append(tifffile.imread(output))
        np.testing.assert_allclose(*results, rtol=1e-5)

    def test_folders_are_paired_by_name(self, run_cli, image, blurrier, line_weights, tmp_path):
        for folder, source in (("sharper", image), ("blurred", blurrier)):
            (tmp_path / folder).mkdir()
            for name in ("a.tif", "b.tif"):
                (tmp_path / folder / name).write_bytes(source.read_bytes())
        command = ("deblur", tmp_path / "sharper", "-m", line_weights, "--alpha", 0.5)
        done = run_cli(*command, "--blurrier", tmp_path / "blurred", "-o", tmp_path / "out")
        assert done.code == 0, done.err
        assert len(done.out.splitlines()) == 2
        done = run_cli(*command, "--blurrier", blurrier, "-o", tmp_path / "again")
        assert done.code == 2
        assert "--blurrier names one file for 2 inputs" in done.err


class TestFocusCodes:
    def test_a_reference_replaces_the_stored_code(self, run_cli, image, blurrier, code_weights):
        results = {}
        for name, options in (("stored", ()), ("reference", ("--in-focus-reference", blurrier))):
            output = image.with_name(f"{name}.tif")
            done = run_cli(
                "deblur", image, "-m", code_weights, "--dtype", "float32", "--precision", "fp32",
                *options, "-o", output,
            )  # fmt: skip
            assert done.code == 0, done.err
            results[name] = tifffile.imread(output)
            assert read_sidecar(output)["models"][0]["focus_code"] == name
        assert not np.array_equal(*results.values())

    def test_without_a_code(self, run_cli, image, save_random_weights, tmp_path):
        weights = save_random_weights(tmp_path / "new.safetensors", "manifold-1d")
        done = run_cli("deblur", image, "-m", weights, "-o", tmp_path / "out.tif")
        assert done.code == 4
        assert "holds no blur code of images in focus" in done.err
        assert "--in-focus-reference" in done.err
        done = run_cli(
            "deblur", image, "-m", weights, "--in-focus-reference", image,
            "-o", tmp_path / "out.tif",
        )  # fmt: skip
        assert done.code == 0, done.err


class TestSynthesis:
    def test_the_blurriest_is_made_by_optics(self, run_cli, image, line_weights):
        output = image.with_name("out.tif")
        done = run_cli(
            "synthesize-blur", image, "-m", line_weights, "--alpha", 0, "--max-defocus-um", 6,
            "--dtype", "float32", "-o", output,
        )  # fmt: skip
        assert done.code == 0, done.err
        expected = image.with_name("optics.tif")
        run_cli("synthesize-blur", image, "--dz-um", 6, "--dtype", "float32", "-o", expected)
        margin = slice(12, -12)
        np.testing.assert_allclose(
            tifffile.imread(output)[margin, margin],
            tifffile.imread(expected)[margin, margin],
            rtol=1e-3,
        )
        record = read_sidecar(output)
        assert record["self_blur"]["dz_um"] == 6
        assert record["alpha"] == 0

    def test_manifest_for_training(self, run_cli, image, blurrier, line_weights, tmp_path):
        folder = tmp_path / "levels"
        done = run_cli(
            "synthesize-blur", image, "--blurrier", blurrier, "-m", line_weights,
            "--alphas", "0:0.75:0.25", "-o", folder,
        )  # fmt: skip
        assert done.code == 0, done.err
        with (folder / "manifest.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["path"], row["z_index"]) for row in rows] == [
            ("../in.tif", "0"),
            ("in_alpha0.750.tif", "250"),
            ("in_alpha0.500.tif", "500"),
            ("in_alpha0.250.tif", "750"),
            ("in_alpha0.000.tif", "1000"),
        ]
        assert {row["z_um"] for row in rows} == {""}
        done = run_cli(
            "train", folder, "--model", "linear-ae-direct", "--crop-size", 64, "-o",
            tmp_path / "run", "--dry-run",
        )  # fmt: skip
        assert done.code == 0, done.err

    def test_latent_line_is_the_default(self, run_cli, image, monkeypatch, line_weights, tmp_path):
        folder = tmp_path / "shipped"
        folder.mkdir()
        (folder / "latent-line.safetensors").write_bytes(line_weights.read_bytes())
        monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: folder)
        output = tmp_path / "out.tif"
        done = run_cli("synthesize-blur", image, "--alpha", 0.3, "-o", output)
        assert done.code == 0, done.err
        assert read_sidecar(output)["models"][0]["name"] == "latent-line"
        done = run_cli("deblur", image, "--alpha", 0.5, "-o", tmp_path / "deblurred.tif")
        assert done.code == 0, done.err
        assert "using the model latent-line, which --alpha is for" in done.err
        done = run_cli("interpolate", image, tmp_path / "out.tif", "-o", tmp_path / "ladder.tif")
        assert done.code == 0, done.err
        assert tifffile.imread(tmp_path / "ladder.tif").shape == (9, 80, 72)


class TestLadders:
    def test_channels_become_a_hyperstack(self, run_cli, tmp_path, draw_nuclei, line_weights):
        for name, sigma in (("a", 0), ("b", 2)):
            planes = np.stack(
                [ndimage.gaussian_filter(draw_nuclei((48, 40), seed=s), sigma) for s in (0, 1)]
            )
            tifffile.imwrite(
                tmp_path / f"{name}.tif", planes, imagej=True, metadata={"axes": "CYX"}
            )
        output = tmp_path / "out.tif"
        done = run_cli(
            "interpolate", tmp_path / "a.tif", tmp_path / "b.tif", "--channel", 1, "--steps", 3,
            "-m", line_weights, "-o", output,
        )  # fmt: skip
        assert done.code == 0, done.err
        with tifffile.TiffFile(output) as tiff:
            assert (tiff.series[0].axes, tiff.series[0].shape) == ("ZCYX", (3, 2, 48, 40))
            levels = tiff.asarray()
        sharper, blurrier = (tifffile.imread(tmp_path / f"{name}.tif") for name in "ab")
        assert all(np.array_equal(level[0], sharper[0]) for level in levels), "copied"
        np.testing.assert_array_equal(levels[[0, -1], 1], [sharper[1], blurrier[1]])

    def test_stacks_give_one_file_for_each_level(self, run_cli, stack, line_weights, tmp_path):
        other = tmp_path / "other.tif"
        pixels = ndimage.gaussian_filter(tifffile.imread(stack), (0, 0, 2, 2))
        tifffile.imwrite(other, pixels, imagej=True, metadata={"axes": "ZCYX"})
        command = ("interpolate", stack, other, "-m", line_weights, "--alphas", "0:1:0.5")
        done = run_cli(*command, "-o", tmp_path / "one.tif")
        assert done.code == 2
        assert "has the axes ZCYX, so each level needs a file of its own" in done.err
        done = run_cli(*command, "-o", tmp_path / "levels" / "{stem}_{alpha}.tif")
        assert done.code == 0, done.err
        names = ["stack_0.000.tif", "stack_0.500.tif", "stack_1.000.tif"]
        assert done.out.splitlines() == [str(tmp_path / "levels" / name) for name in names]
        with tifffile.TiffFile(tmp_path / "levels" / names[1]) as tiff:
            assert tiff.series[0].axes == "ZCYX"
            assert tiff.imagej_metadata["spacing"] == 1.5
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "levels" / names[2]), tifffile.imread(stack)
        )

    def test_existing_files_are_kept(self, run_cli, image, blurrier, line_weights):
        output = image.with_name("series.tif")
        command = ("interpolate", image, blurrier, "-m", line_weights, "--steps", 2)
        assert run_cli(*command, "-o", output).code == 0
        assert run_cli(*command, "-o", output).code == 6
        assert run_cli(*command, "-o", output, "--overwrite", "-q").code == 0
        done = run_cli(*command, "-o", blurrier, "--overwrite")
        assert (done.code, "is an input" in done.err) == (6, True)


def wrong_size(image):
    path = image.with_name("small.tif")
    tifffile.imwrite(path, np.zeros((40, 72), np.uint16))
    return path


@pytest.mark.parametrize(
    ("code", "options", "words"),
    [
        (2, ["--alpha", 0], "greater than 0 and at most 1, not 0"),
        (2, ["--alpha", 1.5], "greater than 0 and at most 1, not 1.5"),
        (2, ["--alpha", "half"], "--alpha takes a number or auto, not 'half'"),
        (2, ["--alphas", "0:1:0.5"], "greater than 0 and at most 1, not 0"),
        (2, ["--alphas", "0.2:1:0.3"], "do not lead from 0.2 to 1"),
        (2, ["--alpha", 0.5, "--alpha", 0.6], "the output must be a folder"),
        (2, ["--self-blur-um", -1], "--self-blur-um must be greater than 0"),
        (2, ["--self-blur-um", 1, "--blurrier", "{image}"], "exclude each other"),
        (2, ["--in-focus-reference", "{image}"], "is for disentangled models"),
        (3, ["--blurrier", "{image}"], "are the same file"),
        (3, ["--blurrier", "nothing.tif"], "The blurrier nothing.tif does not exist"),
        (3, ["--blurrier", "{small}"], "is 80 x 72 (YX), and"),
    ],
)
def test_what_cannot_be_deblurred(run_cli, image, line_weights, code, options, words):
    small = wrong_size(image)
    options = [str(each).format(image=image, small=small) for each in options]
    before = set(image.parent.iterdir())
    done = run_cli("deblur", image, "-m", line_weights, *options, "-o", image.with_name("o.tif"))
    assert (done.code, done.out) == (code, ""), done.err
    assert words in done.err
    assert set(image.parent.iterdir()) == before


def test_a_copy_needs_the_pixel_size(run_cli, tmp_path, draw_nuclei, line_weights):
    tifffile.imwrite(tmp_path / "bare.tif", draw_nuclei((40, 40)))
    command = ("deblur", tmp_path / "bare.tif", "-m", line_weights, "--alpha", 0.5)
    done = run_cli(*command, "-o", tmp_path / "o.tif")
    assert done.code == 2
    assert "does not say its pixel size" in done.err
    done = run_cli(*command, "--pixel-size-um", 0.5, "-o", tmp_path / "o.tif")
    assert done.code == 0, done.err


@pytest.mark.parametrize("option", ["--alpha", "--blurrier", "--in-focus-reference"])
def test_restorers_take_no_codes(run_cli, image, tiny_weights, option):
    value = 0.5 if option == "--alpha" else image
    done = run_cli("deblur", image, "-m", tiny_weights, option, value, "-o", "o.tif")
    assert done.code == 2
    assert f"{option} is for" in done.err
    assert "is none" in done.err


@pytest.mark.parametrize("command", ["interpolate", "synthesize-blur"])
def test_restorers_cannot_blur(run_cli, image, blurrier, tiny_weights, command):
    inputs = (image, blurrier) if command == "interpolate" else (image, "--alpha", 0.5)
    done = run_cli(command, *inputs, "-m", tiny_weights, "-o", image.with_name("o.tif"))
    assert done.code == 4
    assert f"was trained to deblur, not to {command}" in done.err
    assert "linear-ae-direct" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", 3, "--alpha", 0.5], "--steps and alphas exclude each other"),
        (["--steps", 1], "--steps"),
        (["--alpha", 2], "An alpha is from 0 to 1, not 2"),
        (["-o", "{stem}.tif"], "gives all levels one name"),
    ],
)
def test_what_cannot_be_interpolated(
    run_cli, image, blurrier, line_weights, monkeypatch, options, words
):
    monkeypatch.chdir(image.parent)
    output = () if "-o" in options else ("-o", "series.tif")
    done = run_cli("interpolate", image, blurrier, "-m", line_weights, *options, *output)
    assert done.code == 2
    assert words in done.err
    assert not (image.parent / "series.tif").exists()


def test_ends_of_another_size(run_cli, image, line_weights):
    small, output = wrong_size(image), image.with_name("o.tif")
    done = run_cli("interpolate", image, small, "-m", line_weights, "-o", output)
    assert done.code == 3
    assert f"{image} is 80 x 72 (YX), and {small} is 40 x 72 (YX)" in done.err
    done = run_cli(
        "synthesize-blur", image, "--blurrier", small, "--alpha", 0.5, "-m", line_weights,
        "-o", output,
    )  # fmt: skip
    assert done.code == 3
    assert not output.exists()
