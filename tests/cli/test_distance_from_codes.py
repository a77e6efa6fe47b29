"""Distance from focus by networks that know micrometres, in ``score`` and ``info``."""

import csv
import json

import numpy as np
import pytest
import tifffile

DZ_UM = 12.0
SPREAD_UM = 2.0
PRIOR_UM = 8.0


def save_planted(path, *, signed=False, known=True, pixel_um=None, **changes):
    """Save a network whose code is 0 everywhere, which is a known distance."""
    import torch

    from focusfix.models.registry import build_network, get_entry

    tiny = {**get_entry("manifold-1d").tiny, **changes}
    network = build_network("manifold-1d", tiny)
    with torch.no_grad():
        network.head.to_code.weight.zero_()
        network.head.to_code.bias.zero_()
        curve = network.curve
        curve.codes[:3] = torch.tensor([-1.0, 0.0, 1.0])
        curve.distances_um[:3] = torch.tensor(
            [-2 * DZ_UM, -DZ_UM, 0.0] if signed else [0, DZ_UM, 30]
        )
        curve.spreads_um.fill_(SPREAD_UM)
        curve.prior_um.fill_(PRIOR_UM)
        curve.knots.fill_(3 if known else 0)
        curve.signed.fill_(signed)
    save(path, network, pixel_um)
    return path, network.footprint.stride_px


def save(path, network, pixel_um=None):
    from focusfix.config import CheckpointHeader
    from focusfix.io.checkpoint import library_versions, save_checkpoint

    header = CheckpointHeader(
        model="manifold-1d" if hasattr(network, "curve") else "latent-line",
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="fluorescence",
        pixel_size_um=pixel_um,
        trained_on="nothing",
        licence="none",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="planted",
    )
    save_checkpoint(path, network, header)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_planted(tmp_path_factory.mktemp("codes") / "known.safetensors")[0]


@pytest.fixture(scope="module")
def blur_weights(tmp_path_factory):
    """Weights of a network that reads blur in pixels."""
    from focusfix.models.registry import build_network, get_entry

    path = tmp_path_factory.mktemp("blur") / "line.safetensors"
    save(path, build_network("latent-line", dict(get_entry("latent-line").tiny)))
    return path


def first_plane(done):
    assert done.code == 0, done.err
    return json.loads(done.out)["planes"][0]


def test_score_tells_distance_and_confidence(run_cli, stack, weights):
    command = ("score", stack, "--blur-model", weights)
    plane = first_plane(run_cli(*command, "--format", "json"))
    assert plane["dz_abs_um"] == pytest.approx(DZ_UM)
    assert plane["dz_abs_error_um"] == pytest.approx(SPREAD_UM)
    assert plane["dz_confidence"] == pytest.approx(1 - SPREAD_UM / PRIOR_UM)
    assert plane["dz_um"] is None
    done = run_cli(*command)
    assert done.err == "distance from focus is read with the model known\n"
    title, _, row = done.out.splitlines()[:3]
    assert title.split()[-4:] == ["|dz|", "(um)", "+-", "confidence"]
    assert row.removesuffix("  sharpest").split()[-3:] == ["12.00", "2.00", "0.75"]
    rows = list(csv.DictReader(run_cli(*command, "--format", "csv").out.splitlines()))
    assert {float(each["dz_confidence"]) for each in rows} == {0.75}


def test_sides_of_focus(run_cli, stack, tmp_path):
    path, _ = save_planted(tmp_path / "sides.safetensors", signed=True)
    plane = first_plane(run_cli("score", stack, "--blur-model", path, "--format", "json"))
    assert (plane["dz_um"], plane["dz_abs_um"]) == (-DZ_UM, DZ_UM)
    done = run_cli("score", stack, "--blur-model", path)
    assert "|dz|" not in done.out
    assert "-12.00" in done.out
    assert "-12.00 um +- 2.00 um" in run_cli("info", stack, "--blur-model", path).out


@pytest.mark.parametrize("changes", [{"head": "map"}, {"head": "dense", "size_px": 32}])
def test_map(run_cli, stack, tmp_path, changes):
    path, cell = save_planted(tmp_path / "w.safetensors", **changes)
    target = tmp_path / "map.tif"
    done = run_cli("score", stack, "--blur-model", path, "--focus-map", target)
    assert done.code == 0, done.err
    pixels = tifffile.imread(target)
    assert pixels.shape == (3, 4, 64 // cell, 56 // cell)
    np.testing.assert_allclose(pixels[:, ::2], DZ_UM)
    assert (pixels[:, 1::2] >= SPREAD_UM * 0.999).all()  # more where there is little but noise


def test_report_shows_it(run_cli, stack, weights, tmp_path):
    page = tmp_path / "a.html"
    assert run_cli("score", stack, "--blur-model", weights, "--report", page).code == 0
    assert "from focus" in page.read_text(encoding="utf-8")


def test_info_tells_every_level(run_cli, stack, weights):
    done = run_cli("info", stack, "--blur-model", weights, "--json")
    found = json.loads(done.out)["distance"]
    assert [(each["channel"], each["z_level"]) for each in found] == [
        (channel, z_level) for channel in (0, 1) for z_level in range(3)
    ]
    assert {each["dz_abs_um"] for each in found} == {DZ_UM}
    assert {each["dz_confidence"] for each in found} == {0.75}
    text = run_cli("info", stack, "--blur-model", weights).out
    assert "distance from focus of channel 1: 12.00 um +- 2.00 um, confidence 0.75" in text
    assert "z_level  from focus" not in text
    listed = run_cli("info", stack, "--blur-model", weights, "-v").out
    assert sum(line.split()[1:] == ["12.00", "2.00", "0.75"] for line in listed.splitlines()) == 6


def test_info_without_weights_measures_no_distance(run_cli, stack):
    done = run_cli("info", stack, "--json")
    assert json.loads(done.out)["distance"] == []
    assert "distance from focus" not in run_cli("info", stack).out


def test_info_reads_blur_through_an_objective(run_cli, stack, blur_weights):
    options = ("--numerical-aperture", 0.5, "--blur-model", blur_weights)
    done = run_cli("info", stack, *options, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["distance"]
    assert all(each["dz_abs_um"] >= 0 and each["dz_abs_error_um"] > 0 for each in found)
    assert {each["dz_confidence"] for each in found} == {None}
    wide = json.loads(run_cli("info", stack, *options, "--json", "--pixel-size-um", 0.5).out)
    assert wide["distance"][0]["dz_abs_um"] == pytest.approx(2 * found[0]["dz_abs_um"], rel=1e-3)


def test_one_grey_value_has_no_distance(run_cli, weights, tmp_path):
    path = tmp_path / "flat.tif"
    tifffile.imwrite(path, np.full((40, 40), 7, np.uint16))
    done = run_cli("score", path, "--blur-model", weights, "--focus-map", tmp_path / "m.tif")
    assert done.code == 0, done.err
    assert np.isnan(tifffile.imread(tmp_path / "m.tif")).all()
    assert "nothing but one grey value" in run_cli("info", path, "--blur-model", weights).out


def test_other_pixels_than_in_training_are_told(run_cli, stack, tmp_path):
    path, _ = save_planted(tmp_path / "w.safetensors", pixel_um=(0.6, 0.7))
    done = run_cli("score", stack, "--blur-model", path)
    assert done.code == 0
    assert "pixels of 0.25 um are unlike those" in done.err
    assert "unlike" not in run_cli("info", stack, "--blur-model", path, "--pixel-size-um", 0.65).err


@pytest.mark.parametrize("command", ["score", "info"])
def test_refused(run_cli, command, stack, weights, tiny_weights, blur_weights, tmp_path):
    unknown, _ = save_planted(tmp_path / "unknown.safetensors", known=False)
    large, _ = save_planted(tmp_path / "large.safetensors", head="dense", size_px=128)
    for path, options, code, words in (
        (unknown, (), 4, "no table from blur codes to micrometres"),
        (large, (), 3, "in blocks of 128 x 128 pixels"),
        (tiny_weights, (), 4, "does not read how far images are from focus"),
        (blur_weights, (), 2, "Give its --numerical-aperture"),
        (weights, ("--numerical-aperture", 0.5), 2, "Leave out --numerical-aperture"),
    ):
        done = run_cli(command, stack, "--blur-model", path, *options)
        assert done.code == code, (path, done.err)
        assert words in done.err


def test_not_against_a_reference(run_cli, stack, weights):
    done = run_cli("score", stack, "--reference", stack, "--blur-model", weights)
    assert done.code == 2
    assert "--blur-model is about images on their own" in done.err


def test_pixel_size_of_info_is_checked(run_cli, stack):
    assert run_cli("info", stack, "--pixel-size-um", -1).code == 2
