"""``focusfix deblur`` with models that have learned nothing."""

import json

import numpy as np
import pytest
import tifffile

LENS = ("--numerical-aperture", 0.4, "--wavelength-um", 0.5)


@pytest.fixture(scope="session")
def blurred(tmp_path_factory, draw_nuclei):
    """A field 5 um out of focus, 16 bits, and the same in focus; the lens is LENS."""
    from focusfix.optics import OpticsSettings, defocus_psf, image_plane

    folder = tmp_path_factory.mktemp("field")
    optics = OpticsSettings(numerical_aperture=0.4, wavelength_um=0.5, pixel_size_um=0.5)
    light = draw_nuclei((96, 104), seed=3) - 60.0
    random = np.random.default_rng(0)
    for name, dz_um in (("in.tif", 6.0), ("sharp.tif", 0.0)):
        plane = image_plane(light, defocus_psf(optics, dz_um)) + 60 + random.normal(0, 2, (96, 104))
        tifffile.imwrite(
            folder / name,
            np.rint(plane).astype(np.uint16),
            imagej=True,
            resolution=(2, 2),
            metadata={"unit": "um"},
        )
    return folder


def error(image, folder) -> float:
    truth = tifffile.imread(folder / "sharp.tif").astype(float)
    return float(np.square(image.astype(float) - truth).mean())


@pytest.mark.parametrize(
    "model",
    [
        ("wiener", "--dz-um", "6"),
        ("wiener", "--dz-um", "auto"),
        ("richardson-lucy", "--dz-um", "-6", "--iterations", "20"),
        ("unsharp", "--radius-px", "3"),
    ],
    ids=" ".join,
)
def test_output_is_nearer_to_focus(run_cli, blurred, tmp_path, model):
    output = tmp_path / "out.tif"
    lens = () if model[0] == "unsharp" else LENS
    done = run_cli("deblur", blurred / "in.tif", "-m", *model, *lens, "-o", output)
    assert (done.code, done.out) == (0, f"{output}\n")
    with tifffile.TiffFile(output) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].dtype) == ("YX", np.uint16)
        assert tiff.pages[0].tags["XResolution"].value == (2, 1)
    before = error(tifffile.imread(blurred / "in.tif"), blurred)
    assert error(tifffile.imread(output), blurred) < 0.8 * before


def test_sidecar_holds_lens_and_distance(run_program, blurred, tmp_path):
    output = tmp_path / "out.tif"
    done = run_program(
        "deblur", blurred / "in.tif", "-m", "wiener", "--dz-um", "auto", *LENS, "-o", output,
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert json.loads((tmp_path / "out.tif.focusfix.json").read_text()) == record
    [model] = record["models"]
    assert (model["name"], model["channels"], model["planes"]) == ("wiener", [0], [0])
    assert model["dz_found"]
    assert model["dz_um"] == pytest.approx(6, abs=1)
    assert model["optics"]["numerical_aperture"] == 0.4
    assert model["tiles"]["exact"]
    assert "found to be" in done.err
    assert "NA 0.4" in done.err


def test_camera_offset_is_darkness(run_cli, blurred, tmp_path):
    output = tmp_path / "out.tif"
    done = run_cli(
        "deblur", blurred / "in.tif", "-m", "richardson-lucy", "--dz-um", 4, *LENS,
        "--iterations", 3, "--camera-offset", 55, "--tile-size", 100, "-o", output, "--json",
    )  # fmt: skip
    [model] = json.loads(done.out)["models"]
    assert model["intensity_scales"][0]["offset"] == 55
    assert not model["tiles"]["exact"]
    assert tifffile.imread(output).min() >= 55


def test_other_channels_are_copied(run_cli, stack):
    output = stack.with_name("out.tif")
    arguments = ("-m", "wiener", "--dz-um", 2, "--channel", 1, "-o", output)
    assert run_cli("deblur", stack, *arguments).code == 0
    before, after = tifffile.imread(stack), tifffile.imread(output)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    assert not np.array_equal(after[:, 1], before[:, 1])


def test_edf_makes_one_image_of_a_stack(run_cli, stack):
    output = stack.with_name("out.tif")
    done = run_cli("deblur", stack, "-m", "edf", "-o", output, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert (record["axes"], record["shape"]) == ("CYX", [2, 64, 56])
    assert record["models"][0]["z_levels"] == 3
    with tifffile.TiffFile(output) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].dtype) == ("CYX", np.uint16)
        assert tiff.pages[0].tags["XResolution"].value == (4, 1)
        assert "spacing" not in tiff.imagej_metadata
        assert "Labels" not in tiff.imagej_metadata
    planes, fused = tifffile.imread(stack), tifffile.imread(output)
    assert (fused >= planes.min(axis=0)).all()
    assert (fused <= planes.max(axis=0)).all()


def test_edf_finds_what_is_sharp(run_cli, tmp_path, draw_nuclei):
    """Left half sharp in the second level, right half in the third."""
    from scipy.ndimage import gaussian_filter

    sharp = draw_nuclei((96, 160)).astype(float)
    soft = gaussian_filter(sharp, 4)
    left = np.arange(160) < 80
    planes = [soft, np.where(left, sharp, soft), np.where(left, soft, sharp)]
    path, output = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    tifffile.imwrite(
        path,
        np.rint(planes).astype(np.uint16),
        metadata={"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 1.0},
    )
    assert run_cli("deblur", path, "-m", "edf", "-o", output, "--tile-size", 220).code == 0
    fused = tifffile.imread(output).astype(float)
    assert fused.shape == (96, 160)
    assert np.square(fused - sharp).mean() < 0.2 * np.square(soft - sharp).mean()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-m", "wiener"), 2, "must know how far the image is out of focus"),
        (("-m", "richardson-lucy"), 2, "--dz-um auto to have it found"),
        (("-m", "wiener", "--dz-um", "far"), 2, "--dz-um takes a number or auto, not 'far'"),
        (("-m", "wiener", "--dz-um", "nan"), 2, "--dz-um takes a number or auto"),
        (
            ("-m", "unsharp", "--dz-um", "3"),
            2,
            "--dz-um is for the models richardson-lucy",
        ),
        (("--dz-um", "3"), 2, "--dz-um is for the models richardson-lucy, wiener, refocuser, not"),
        (
            ("-m", "wiener", "--dz-um", "3", "--iterations", "5"),
            2,
            "--iterations is for the models richardson-lucy, not for wiener",
        ),
        (
            ("-m", "richardson-lucy", "--dz-um", "3", "--iterations", "0"),
            2,
            "iterations must be at least 1",
        ),
        (
            ("-m", "richardson-lucy", "--dz-um", "3", "--total-variation", "0.3"),
            2,
            "total_variation must be in [0, 0.25)",
        ),
        (("-m", "unsharp", "--radius-px", "0"), 2, "radius_px and amount must be greater than 0"),
        (("-m", "edf", "--window-px", "0"), 2, "--window-px must be greater than 0"),
        (("-m", "edf", "--channel", "0"), 2, "--channel cannot be combined with --model edf"),
        (("-m", "unsharp", "--alpha", "0.5"), 2, "--alpha is for models with codes"),
        (("-m", "unsharp", "--device", "cuda"), 2, "runs on the CPU, not on cuda"),
        (("-m", "wiener", "--dz-um", "3", "--numerical-aperture", "2"), 2, "numerical_aperture"),
        (("-m", "edf"), 3, "has one z-level: there is nothing to fuse"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_errors(run_cli, image, arguments, code, message):
    done = run_cli("deblur", image, *arguments, "-o", image.with_name("out.tif"))
    assert done.code == code
    assert message in " ".join(done.err.split())
    assert done.out == ""
    assert not image.with_name("out.tif").exists()


def test_unknown_pixel_size_and_small_images_are_errors(run_program, tmp_path, draw_nuclei):
    plain, small = tmp_path / "plain.tif", tmp_path / "small.tif"
    tifffile.imwrite(plain, draw_nuclei((64, 64)))
    tifffile.imwrite(small, draw_nuclei((20, 64)))
    arguments = ("-m", "wiener", "--dz-um", "3", "-o", tmp_path / "out.tif")
    done = run_program("deblur", plain, *arguments)
    assert done.code == 2
    assert "does not say its pixel size" in " ".join(done.err.split())
    done = run_program("deblur", small, *arguments, "--pixel-size-um", "0.5")
    assert done.code == 3
    assert "too small to read its blur and noise from" in " ".join(done.err.split())


def test_a_single_plane_of_many_is_not_taken_for_a_stack(run_cli, tmp_path, draw_nuclei):
    path = tmp_path / "time.tif"
    frames = np.stack([draw_nuclei((40, 40), seed=seed) for seed in range(3)])
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
    done = run_cli("deblur", path, "-m", "edf", "-o", tmp_path / "out.tif")
    assert done.code == 3
    assert "3 planes along T" in done.err
    assert "--axes" in done.err
    assert (
        run_cli("deblur", path, "-m", "edf", "--axes", "ZYX", "-o", tmp_path / "out.tif").code == 0
    )


def test_a_stack_out_of_focus_plane_by_plane(run_cli, stack):
    """Each plane has its own distance; the record lists them."""
    output = stack.with_name("out.tif")
    done = run_cli(
        "deblur", stack, "-m", "richardson-lucy", "--dz-um", "auto", "--iterations", 2,
        "--channel", 0, "-o", output, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    models = json.loads(done.out)["models"]
    assert [model["planes"] for model in models] == [[0], [2], [4]]
    assert all(model["dz_um"] >= 0 for model in models)


def test_blank_planes_are_copied(run_cli, tmp_path, draw_nuclei):
    path, output = tmp_path / "in.tif", tmp_path / "out.tif"
    planes = np.stack([draw_nuclei((64, 64)), np.full((64, 64), 100, np.uint16)])
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZYX", "unit": "um"})
    arguments = ("-m", "wiener", "--dz-um", "auto", "--pixel-size-um", "0.5", "-o", output)
    done = run_cli("deblur", path, *arguments)
    assert done.code == 0, done.err
    assert "1 of 2 planes hold one grey value only" in " ".join(done.err.split())
    restored = tifffile.imread(output)
    np.testing.assert_array_equal(restored[1], planes[1])
    assert not np.array_equal(restored[0], planes[0])


def test_a_refocuser_goes_the_distance(run_cli, image, tmp_path):
    weights = save_refocuser(tmp_path / "refocuser.safetensors")
    outputs = []
    for dz_um in ("-2", "2"):
        outputs.append(tmp_path / f"out{dz_um}.tif")
        done = run_cli(
            "deblur", image, "-m", weights, "--dz-um", dz_um, "-o", outputs[-1], "--json"
        )
        assert done.code == 0, done.err
        assert json.loads(done.out)["models"][0]["dz_um"] == float(dz_um)
    assert not np.array_equal(*map(tifffile.imread, outputs))
    for arguments, message in (
        ((), "must be told how far to refocus"),
        (("--dz-um", "6"), "meant for up to 5 um either way, not for 6 um"),
        (("--dz-um", "2", "--iterations", "3"), "--iterations is for the models richardson-lucy"),
    ):
        done = run_cli("deblur", image, "-m", weights, *arguments, "-o", tmp_path / "no.tif")
        assert done.code == 2
        assert message in " ".join(done.err.split())


def save_refocuser(path):
    import torch

    from focusfix.config import CheckpointHeader
    from focusfix.io.checkpoint import library_versions, save_checkpoint
    from focusfix.models.refocus import RefocusNet

    torch.manual_seed(0)
    network = RefocusNet(depth=1, base_width=3, code_width=4, range_um=5.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.1)
    header = CheckpointHeader(
        model="refocus",
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="fluorescence",
        trained_on="nothing",
        licence="BSD-3-Clause",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="random, for tests",
    )
    save_checkpoint(path, network, header)
    return path
