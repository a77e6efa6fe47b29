"""``focusfix synthesize-blur --model optics``: known optics in, known blur out."""

import csv
import json

import numpy as np
import pytest
import tifffile

from focusfix.optics import OpticsSettings, defocus_psf

LENS = ("--numerical-aperture", 0.6, "--wavelength-um", 0.5)


@pytest.fixture
def point(tmp_path):
    """One bright pixel on a dark plane; 0.5 um per pixel."""
    pixels = np.zeros((61, 75), np.float32)
    pixels[30, 37] = 1000
    path = tmp_path / "point.tif"
    tifffile.imwrite(path, pixels, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    return path


def test_a_point_becomes_the_psf(run_cli, point):
    output = point.with_name("out.tif")
    done = run_cli("synthesize-blur", point, "--dz-um", 6, *LENS, "-o", output)
    assert (done.code, done.out) == (0, f"{output}\n")
    psf = defocus_psf(
        OpticsSettings(numerical_aperture=0.6, wavelength_um=0.5, pixel_size_um=0.5), 6.0
    )
    reach = psf.shape[0] // 2
    blurred = tifffile.imread(output)
    around = blurred[30 - reach : 31 + reach, 37 - reach : 38 + reach]
    np.testing.assert_allclose(around, 1000 * psf, atol=1e-3)
    assert blurred.sum() == pytest.approx(1000, rel=1e-3)
    record = json.loads((point.parent / "out.tif.focusfix.json").read_text())
    assert (record["dz_um"], record["optics"]["pixel_size_um"]) == (6.0, 0.5)


def test_tiles_do_not_show(run_cli, image):
    whole, tiled = image.with_name("whole.tif"), image.with_name("tiled.tif")
    run_cli("synthesize-blur", image, "--dz-um", 4, "-o", whole)
    run_cli("synthesize-blur", image, "--dz-um", 4, "--tile-size", 64, "-o", tiled)
    assert np.abs(tifffile.imread(whole).astype(int) - tifffile.imread(tiled)).max() <= 1


def test_series_with_manifest(run_cli, image, tmp_path):
    folder = tmp_path / "series"
    command = ("synthesize-blur", image, "--dz-um", 10, "--dz-um", -2.25, "-o", folder)
    done = run_cli(*command)
    assert done.code == 0, done.err
    names = ["in_dz-2.25um.tif", "in_dz+10.0um.tif"]
    assert done.out.splitlines() == [str(folder / name) for name in names]
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "field", "channel", "z_index", "z_um", "split"]
    assert [(row["path"], float(row["z_um"]), row["z_index"]) for row in rows] == [
        (names[0], -2.25, "0"),
        ("../in.tif", 0.0, "1"),
        (names[1], 10.0, "2"),
    ]
    assert {row["field"] for row in rows} == {"in"}
    energy = [np.var(tifffile.imread(folder / row["path"]).astype(float)) for row in rows]
    assert energy[1] > energy[0] > energy[2]

    assert run_cli(*command).code == 6
    (folder / names[1]).unlink()
    done = run_cli(*command, "--skip-existing")
    assert done.out.splitlines() == [str(folder / names[1])]
    assert len((folder / "manifest.csv").read_text().splitlines()) == 4


def test_alphas_of_optics_are_distances(run_cli, image, tmp_path):
    folder = tmp_path / "series"
    done = run_cli(
        "synthesize-blur", image, "--model", "optics", "--alphas", "1:0:-0.5",
        "--max-defocus-um", 12, "-o", folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["z_index"], float(row["z_um"])) for row in rows] == [
        ("in_alpha1.000.tif", "0", 0.0),
        ("in_alpha0.500.tif", "500", 6.0),
        ("in_alpha0.000.tif", "1000", 12.0),
    ]
    assert {row["focal_level"] for row in rows} == {"0"}
    np.testing.assert_array_equal(
        tifffile.imread(folder / "in_alpha1.000.tif"), tifffile.imread(image)
    )
    run_cli("synthesize-blur", image, "--dz-um", 6, "-o", tmp_path / "half.tif")
    np.testing.assert_array_equal(
        tifffile.imread(folder / "in_alpha0.500.tif"), tifffile.imread(tmp_path / "half.tif")
    )


def test_noise_is_that_of_the_seed_and_not_of_the_tiles(run_cli, image, tmp_path):
    noisy = {}
    for name, options in {
        "a": ("--seed", 1),
        "same": ("--seed", 1, "--tile-size", 64),
        "b": ("--seed", 2),
    }.items():
        output = tmp_path / f"{name}.tif"
        done = run_cli(
            "synthesize-blur", image, "--dz-um", 4, "--noise", "--camera-offset", 90,
            "--counts-per-electron", 0.5, *options, "-o", output,
        )  # fmt: skip
        assert done.code == 0, done.err
        noisy[name] = tifffile.imread(output).astype(float)
    clean = tmp_path / "clean.tif"
    run_cli("synthesize-blur", image, "--dz-um", 4, "-o", clean)
    blurred = tifffile.imread(clean).astype(float)
    assert np.mean(noisy["a"] != noisy["same"]) < 0.05
    assert np.mean(noisy["a"] != noisy["b"]) > 0.9
    expected = 0.5 * (blurred - 90) + 1.5**2
    assert np.mean((noisy["a"] - blurred) ** 2) == pytest.approx(expected.mean(), rel=0.1)


def test_gaps(run_cli, point):
    pixels = tifffile.imread(point)
    pixels[2, 3] = np.nan
    tifffile.imwrite(point, pixels)
    command = ("synthesize-blur", point, "--dz-um", 2, "--pixel-size-um", 0.5)
    done = run_cli(*command, "-o", point.with_name("out.tif"))
    assert done.code == 3
    assert "point.tif: 1 pixels are NaN or Inf" in done.err
    done = run_cli(*command, "--nan-policy", "fill", "-o", point.with_name("out.tif"))
    assert done.code == 0
    assert np.isfinite(tifffile.imread(point.with_name("out.tif"))).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "No amount of blur was given"),
        (["--dz-um", 3, "--alpha", 0.5], "--alpha and --dz-um exclude each other"),
        (["--dz-um", 3, "--model", "latent-line"], "--dz-um is for optics and refocusers, not"),
        (["--model", "optics", "--alpha", 1.2], "An alpha is from 0 to 1, not 1.2"),
        (["--model", "optics", "--alpha", 0, "--blurrier", "b.tif"], "and optics is none"),
        (["--model", "optics", "--alpha", 0, "--max-defocus-um", -1], "--max-defocus-um must be"),
        (["--dz-um", 3, "--dz-um", 3], "takes distances that differ"),
        (["--dz-um", 3, "--dz-um", 4], "the output must be a folder"),
        (["--dz-um", 3, "--numerical-aperture", 1.2], "numerical_aperture 1.2 must be below"),
        (["--dz-um", 3, "--wavelength-um", 0], "--wavelength-um"),
        (["--dz-um", 3, "--noise"], "--noise needs grey values of 8 or 16 bits"),
        (["--dz-um", 3, "--pixel-size-um", -1], "--pixel-size-um must be greater than 0"),
    ],
)
def test_usage(run_cli, point, options, words):
    before = set(point.parent.iterdir())
    done = run_cli("synthesize-blur", point, *options, "-o", point.with_name("out.tif"))
    assert done.code == 2
    assert words in done.err
    assert set(point.parent.iterdir()) == before


def test_pixel_size_must_be_known(run_cli, tmp_path, draw_nuclei):
    tifffile.imwrite(tmp_path / "bare.tif", draw_nuclei((40, 40)))
    done = run_cli("synthesize-blur", tmp_path / "bare.tif", "--dz-um", 3, "-o", tmp_path / "o.tif")
    assert done.code == 2
    assert "does not say its pixel size" in done.err
    assert "--pixel-size-um" in done.err


def test_series_of_a_stack_is_not_in_the_manifest(run_cli, stack, tmp_path):
    folder = tmp_path / "series"
    done = run_cli("synthesize-blur", stack, "--dz-um", 1, "--dz-um", 2, "-o", folder)
    assert done.code == 0
    assert "has several planes per channel" in done.err
    assert len((folder / "manifest.csv").read_text().splitlines()) == 1
