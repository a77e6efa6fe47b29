"""``focusfix score --numerical-aperture``: distance from focus, with planted readings."""

import csv
import json
import math

import numpy as np
import pytest
import tifffile

from focusfix.metrics.defocus import um_per_radius_px

RADIUS_PX = 6.0
ERROR_PX = 10 * math.log(2) + 0.1  # softplus of a bias of zero
PIXEL_UM = 0.25
UM_PER_PX = um_per_radius_px(PIXEL_UM, 0.5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that reads one radius and one error everywhere."""
    import torch

    from focusfix.config import CheckpointHeader
    from focusfix.io.checkpoint import library_versions, save_checkpoint
    from focusfix.models.registry import build_network, get_entry

    network = build_network("latent-line", dict(get_entry("latent-line").tiny))
    with torch.no_grad():
        network.reading.second.weight.zero_()
        network.reading.second.bias.zero_()
        network.reading.calibration.fill_(RADIUS_PX)
    path = tmp_path_factory.mktemp("blur") / "a-line.safetensors"
    header = CheckpointHeader(
        model="latent-line",
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="fluorescence",
        trained_on="nothing",
        licence="none",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="planted",
    )
    save_checkpoint(path, network, header)
    return path


@pytest.fixture
def save_image(tmp_path, draw_nuclei):
    def save(name="a.tif", sizes=(), axes="", **metadata):
        planes = [draw_nuclei((40, 54), seed=k) for k in range(math.prod(sizes))]
        pixels = np.stack(planes).reshape(*sizes, 40, 54) if sizes else planes[0]
        path = tmp_path / name
        tifffile.imwrite(
            path, pixels, imagej=True, resolution=(4, 4),
            metadata={"axes": f"{axes}YX", "unit": "um", **metadata},
        )  # fmt: skip
        return path

    return save


ASKED = ("--numerical-aperture", 0.5)


def test_distance_of_a_planted_radius(run_cli, save_image, weights):
    path = save_image()
    command = ("score", path, *ASKED, "--blur-model", weights)
    plane = json.loads(run_cli(*command, "--format", "json").out)["planes"][0]
    assert plane["dz_abs_um"] == pytest.approx(RADIUS_PX * UM_PER_PX, rel=1e-4)
    assert plane["dz_abs_error_um"] == pytest.approx(ERROR_PX * UM_PER_PX, rel=0.15)
    done = run_cli(*command)
    assert done.err == "blur is read with the model a-line\n"
    assert "|dz| (um)" in done.out
    assert f"{RADIUS_PX * UM_PER_PX:.2f}" in done.out.split()
    rows = list(csv.DictReader(run_cli(*command, "--format", "csv").out.splitlines()))
    assert float(rows[0]["dz_abs_um"]) == pytest.approx(RADIUS_PX * UM_PER_PX, rel=1e-4)


def test_medium_and_pixel_size_of_the_user(run_cli, save_image, weights):
    options = ("--refractive-index", 1.33, "--pixel-size-um", 0.5, "--blur-model", weights)
    done = run_cli("score", save_image(), *ASKED, *options, "--format", "json")
    expected = RADIUS_PX * um_per_radius_px(0.5, 0.5, 1.33)
    plane = json.loads(done.out)["planes"][0]
    assert plane["dz_abs_um"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("sizes", "axes", "shape", "map_axes"),
    [
        ((), "", (2, 10, 14), "CYX"),
        ((3,), "Z", (3, 2, 10, 14), "ZCYX"),
        ((3, 2), "ZC", (3, 4, 10, 14), "ZCYX"),
        ((2, 3), "TZ", (2, 3, 2, 10, 14), "TZCYX"),
    ],
)
def test_map(run_cli, save_image, weights, tmp_path, sizes, axes, shape, map_axes):
    path = save_image(sizes=sizes, axes=axes)
    target = tmp_path / "map.tif"
    command = ("score", path, *ASKED, "--blur-model", weights, "--focus-map", target)
    done = run_cli(*command)
    assert done.code == 0, done.err
    with tifffile.TiffFile(target) as file:
        pixels, metadata = file.asarray(), file.imagej_metadata
        assert (file.series[0].axes, pixels.shape) == (map_axes, shape)
        assert pixels.dtype == np.float32
        across, per = file.pages[0].tags["XResolution"].value
    assert across / per == pytest.approx(1 / (4 * PIXEL_UM))
    assert metadata["Labels"][:2] == ["distance from focus", "expected error"] or "C" in axes
    cells = np.moveaxis(pixels, map_axes.index("C"), 0)
    np.testing.assert_allclose(cells[::2], RADIUS_PX * UM_PER_PX, rtol=1e-4)
    smallest = cells[1::2].min()
    assert smallest == pytest.approx(ERROR_PX * UM_PER_PX, rel=0.05)
    assert cells[1::2].max() > 2 * smallest  # where there is little but noise
    assert run_cli(*command).code == 6
    assert run_cli(*command, "--overwrite").code == 0


def test_maps_of_several_images(run_cli, save_image, weights, tmp_path):
    for name in ("in/a.tif", "in/b.tif"):
        (tmp_path / "in").mkdir(exist_ok=True)
        save_image(name)
    target = tmp_path / "maps" / "{stem}_dz.tif"
    (tmp_path / "maps").mkdir()
    options = (*ASKED, "--blur-model", weights, "--focus-map", target)
    assert run_cli("score", tmp_path / "in", *options).code == 0
    found = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert found == ["a_dz.tif", "b_dz.tif"]


def test_one_grey_value_has_no_distance(run_cli, weights, tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((20, 24), 7, np.uint16))
    options = (*ASKED, "--pixel-size-um", 1, "--blur-model", weights, "--format", "json")
    done = run_cli("score", tmp_path / "flat.tif", *options, "--focus-map", tmp_path / "m.tif")
    assert json.loads(done.out)["planes"][0]["dz_abs_um"] is None
    assert np.isnan(tifffile.imread(tmp_path / "m.tif")).all()


def test_weights_are_chosen_by_the_image(run_cli, save_image, weights, monkeypatch, tmp_path):
    monkeypatch.setenv("FOCUSFIX_MODEL_PATH", str(weights.parent))
    assert "with the model a-line" in run_cli("score", save_image(), *ASKED).err
    pixels = 60000 - 10 * tifffile.imread(save_image())
    scale = {"resolution": (4, 4), "metadata": {"unit": "um"}}
    tifffile.imwrite(tmp_path / "bright.tif", pixels.astype(np.uint16), imagej=True, **scale)
    done = run_cli("score", tmp_path / "bright.tif", *ASKED)
    assert done.code == 0 or "how far brightfield images are from focus" in done.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--focus-map", "m.tif"), 2, "--focus-map is about distances from focus"),
        (("--blur-model", "line"), 4, "no weights called 'line'"),
        (("--numerical-aperture", "1.2"), 2, "between 0 and the refractive index, 1"),
        ((*ASKED, "--blur-model", "nothing"), 4, "no weights called 'nothing'"),
        ((*ASKED, "--reference", "a.tif"), 2, "--numerical-aperture is about images on their own"),
    ],
)
def test_options(run_cli, save_image, monkeypatch, tmp_path, options, code, words):
    monkeypatch.chdir(tmp_path)
    save_image()
    done = run_cli("score", "a.tif", *options)
    assert done.code == code
    assert words in done.err


def test_aperture_is_needed(run_cli, save_image, weights):
    done = run_cli("score", save_image(), "--blur-model", weights)
    assert done.code == 2
    assert "reads blur in pixels: distances depend on the objective" in done.err
    assert "Give its --numerical-aperture" in done.err


def test_pixel_size_is_needed(run_cli, weights, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.eye(40, dtype=np.uint16))
    done = run_cli("score", tmp_path / "a.tif", *ASKED, "--blur-model", weights)
    assert done.code == 2
    assert "does not say its pixel size" in done.err
