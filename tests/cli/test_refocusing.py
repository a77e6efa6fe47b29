"""Refocusers: every form of --dz-um, end to end."""

import json

import numpy as np
import pytest
import tifffile


@pytest.fixture(scope="session")
def save_refocuser():
    return _save_refocuser


def _save_refocuser(path, name="refocus", *, heeds=True, **settings):
    """Save a small random network that heeds its distance, for pixels of 0.5 um."""
    import torch

    from focusfix.config import CheckpointHeader
    from focusfix.io.checkpoint import library_versions, save_checkpoint
    from focusfix.models.registry import build_network, get_entry

    torch.manual_seed(0)
    entry = get_entry(name)
    network = build_network(name, {**entry.tiny, "range_um": 5, **settings})
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if "modulation" in key:
                parameter.normal_(std=0.5)
            elif key.startswith("head") and not heeds:
                parameter.zero_()
    header = CheckpointHeader(
        model=name,
        hyperparameters=network.hyperparameters,
        abilities=tuple(sorted(entry.abilities)),
        modality="any",
        pixel_size_um=(0.5, 0.5),
        numerical_aperture=(0.6, 0.6),
        trained_on="nothing",
        licence="BSD-3-Clause",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="random, for tests",
    )
    save_checkpoint(path, network, header)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return _save_refocuser(tmp_path_factory.mktemp("one") / "one.safetensors")


@pytest.fixture(scope="module")
def from_focus(tmp_path_factory):
    return _save_refocuser(tmp_path_factory.mktemp("focus") / "focus.safetensors", sign="focus")


@pytest.fixture(scope="module")
def averaging(tmp_path_factory):
    """Weights of refocus-multi whose network changes nothing: nearer planes count more."""
    folder = tmp_path_factory.mktemp("multi")
    return _save_refocuser(folder / "multi.safetensors", "refocus-multi", heeds=False)


@pytest.fixture
def z_stack(tmp_path, draw_nuclei):
    """Five z-levels 1 um apart, each of one grey value but for its nuclei; 0.5 um pixels."""
    levels = np.stack([draw_nuclei((64, 56), seed=seed) for seed in range(5)])
    path = tmp_path / "z.tif"
    tifffile.imwrite(
        path, levels, imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 1.0},
    )  # fmt: skip
    return path


def one_line(text):
    return " ".join(text.split())


class TestAsAUser:
    """One process for each command."""

    def test_a_surface_brings_each_pixel_its_distance(
        self, run_program, run_cli, image, weights, tmp_path
    ):
        surface = tmp_path / "surface.tif"
        tilt = np.where(np.arange(72) < 36, -2.0, 3.0) * np.ones((80, 1))
        tifffile.imwrite(surface, tilt.astype(np.float32))
        results = {}
        for dz_um in (surface, -2, 3):
            output = tmp_path / f"out{len(results)}.tif"
            run = run_cli if results else run_program
            done = run(
                "deblur", image, "-m", weights, "--dz-um", dz_um, "--dtype", "float32", "-o", output
            )
            assert (done.code, done.out) == (0, f"{output}\n"), done.err
            results[dz_um] = tifffile.imread(output)
        np.testing.assert_allclose(results[surface][:, :20], results[-2][:, :20], atol=0.1)
        np.testing.assert_allclose(results[surface][:, 52:], results[3][:, 52:], atol=0.1)
        assert np.abs(results[-2] - results[3]).max() > 10

    def test_a_virtual_focal_stack_opens_with_its_spacing(
        self, run_program, run_cli, image, weights
    ):
        output = image.with_name("stack.tif")
        done = run_program("interpolate", image, "-m", weights, "--dz-um", "-1:1:0.5", "-o", output)
        assert (done.code, done.out) == (0, f"{output}\n"), done.err
        with tifffile.TiffFile(output) as file:
            assert file.series[0].axes == "ZYX"
            assert file.imagej_metadata["spacing"] == 0.5
            assert file.imagej_metadata["unit"] == "um"
            assert file.imagej_metadata["slices"] == 5
            assert file.imagej_metadata["Labels"][0] == "dz -1 um"
            stack = file.asarray()
        assert stack.dtype == np.uint16
        single = image.with_name("single.tif")
        assert run_cli("deblur", image, "-m", weights, "--dz-um", "-0.5", "-o", single).code == 0
        np.testing.assert_array_equal(stack[1], tifffile.imread(single))
        sidecar = json.loads(output.with_name("stack.tif.focusfix.json").read_text())
        assert [plane["dz_um"] for plane in sidecar["models"][0]["planes"]] == sidecar["dz_um"]

    def test_blur_by_distance(self, run_program, image, weights, tmp_path):
        done = run_program(
            "synthesize-blur", image, "-m", weights, "--dz-um", 2, "--dz-um", 4,
            "-o", tmp_path / "series",
        )  # fmt: skip
        assert done.code == 0, done.err
        names = ["in_dz+2.0um.tif", "in_dz+4.0um.tif"]
        assert done.out.splitlines() == [str(tmp_path / "series" / name) for name in names]
        two, four = (tifffile.imread(tmp_path / "series" / name) for name in names)
        assert two.shape == (80, 72)
        assert not np.array_equal(two, four)

    def test_a_distance_is_found_or_the_image_left(self, run_program, image, from_focus):
        output = image.with_name("out.tif")
        done = run_program(
            "deblur", image, "-m", from_focus, "--dz-um", "auto", "--json", "-o", output
        )
        assert done.code == 0, done.err
        found = json.loads(done.out)["models"][0]
        assert found["dz_um_from"] == "auto"
        if found["dz_um"] is None:
            assert "it is left as it is" in one_line(done.err)
            np.testing.assert_array_equal(tifffile.imread(output), tifffile.imread(image))
        else:
            assert -5 <= found["dz_um"] < 0
            assert "which side of focus" in one_line(done.err)


def test_the_chosen_distance_is_told_with_what_cannot_be_known(
    run_cli, image, weights, from_focus, monkeypatch
):
    from focusfix.operations import distance_search

    def choose(trials, _contrast):
        return min(trials, key=lambda trial: abs(trial.dz_um + 2.0), default=None)

    monkeypatch.setattr(distance_search, "choose_distance", choose)
    results = []
    for number, (its, told) in enumerate(
        ((weights, "so the sign is a guess"), (from_focus, "so the distance is counted from focus"))
    ):
        output = image.with_name(f"out{number}.tif")
        done = run_cli("deblur", image, "-m", its, "--dz-um", "auto", "-o", output)
        assert done.code == 0, done.err
        assert "refocused by -2 um" in one_line(done.err)
        assert "does not tell on which side of focus it lies" in one_line(done.err)
        assert told in one_line(done.err)
        results.append(tifffile.imread(output))
    expected = image.with_name("expected.tif")
    run_cli("deblur", image, "-m", weights, "--dz-um", "-2", "-o", expected)
    np.testing.assert_array_equal(results[0], tifffile.imread(expected))


def test_each_plane_of_a_stack_has_its_own_distance(run_cli, z_stack, weights, monkeypatch):
    from focusfix.cli import refocus_search
    from focusfix.operations.distance_search import DistanceSearch, DistanceTrial

    def search(_refocusing, plane, _optics):
        best = DistanceTrial(-1.0 - plane % 2, 1.5, 0.0, 0.0) if plane else None
        return DistanceSearch(best, 1.0, ())

    monkeypatch.setattr(refocus_search, "_search", search)
    output = z_stack.with_name("out.tif")
    done = run_cli("deblur", z_stack, "-m", weights, "--dz-um", "auto", "--json", "-o", output)
    assert done.code == 0, done.err
    models = json.loads(done.out)["models"]
    assert [(each["dz_um"], each["planes"]) for each in models] == [
        (None, [0]), (-2.0, [1, 3]), (-1.0, [2, 4]),
    ]  # fmt: skip
    assert "4 of 5 planes refocused by -2 to -1 um" in one_line(done.err)
    stack, before = tifffile.imread(output), tifffile.imread(z_stack)
    np.testing.assert_array_equal(stack[0], before[0])
    assert not np.array_equal(stack[1], before[1])


def expected_average(levels, distances_um, range_um=5.0):
    """Average planes by 1 / (|d| / range + 0.05), as the documentation of refocus-multi says."""
    weights = 1 / (np.abs(distances_um) / range_um + 0.05)
    return np.tensordot(weights / weights.sum(), levels.astype(float), axes=1)


def test_planes_between_those_of_a_stack(run_cli, z_stack, averaging):
    output = z_stack.with_name("fine.tif")
    done = run_cli(
        "interpolate", z_stack, "-m", averaging, "--dz-um", "-0.5:0.75:0.25", "--z-level", 2,
        "--dtype", "float32", "-o", output,
    )  # fmt: skip
    assert done.code == 0, done.err
    fine, levels = tifffile.imread(output), tifffile.imread(z_stack)
    with tifffile.TiffFile(output) as file:
        assert (file.series[0].axes, file.imagej_metadata["spacing"]) == ("ZYX", 0.25)
    between = expected_average(levels[[1, 2, 0]], np.array([0.5, -0.5, 1.5]))
    np.testing.assert_allclose(fine[0], between, rtol=0, atol=0.05)
    above = expected_average(levels[[3, 2, 4]], np.array([-0.25, 0.75, -1.25]))
    np.testing.assert_allclose(fine[5], above, rtol=0, atol=0.05)


def test_all_levels_of_a_stack_are_used_for_each(run_cli, z_stack, averaging):
    """A stack stays a stack: every plane is made from the recorded ones nearest to it."""
    output = z_stack.with_name("out.tif")
    done = run_cli(
        "deblur", z_stack, "-m", averaging, "--dz-um", 0.5, "--dtype", "float32", "-o", output
    )
    assert done.code == 0, done.err
    made, levels = tifffile.imread(output), tifffile.imread(z_stack)
    assert made.shape == levels.shape
    middle = expected_average(levels[[2, 3, 1]], np.array([0.5, -0.5, 1.5]))
    np.testing.assert_allclose(made[2], middle, rtol=0, atol=0.05)
    top = expected_average(levels[[4, 3, 2]], np.array([0.5, 1.5, 2.5]))
    np.testing.assert_allclose(made[4], top, rtol=0, atol=0.05)


def test_the_sharpest_level_is_where_distances_count_from(run_cli, z_stack, weights):
    blurred = tifffile.imread(z_stack)
    blurred[[0, 1, 2, 4]] = blurred[[0, 1, 2, 4]].mean(axis=(1, 2), keepdims=True)
    tifffile.imwrite(
        z_stack, blurred, imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 1.0},
    )  # fmt: skip
    output = z_stack.with_name("out.tif")
    done = run_cli("interpolate", z_stack, "-m", weights, "--dz-um", "1", "--json", "-o", output)
    assert done.code == 0, done.err
    assert "count from z-level 3, the sharpest" in one_line(done.err)
    assert json.loads(done.out)["z_level"] == 3
    assert tifffile.imread(output).squeeze().shape == (64, 56)


def test_channels_that_are_not_wanted_are_repeated(run_cli, stack, tmp_path, save_refocuser):
    """Channels of a hyperstack stay channels; pixels of 0.25 um need --force."""
    weights = save_refocuser(tmp_path / "w.safetensors")
    output = tmp_path / "out.tif"
    arguments = ("-m", weights, "--dz-um", "-1:1:1", "--z-level", 1, "--channel", 1, "-o", output)
    refused = run_cli("interpolate", stack, *arguments)
    assert refused.code == 3
    assert "has pixels of 0.25 um" in one_line(refused.err)
    done = run_cli("interpolate", stack, *arguments, "--force")
    assert done.code == 0, done.err
    assert "has pixels of 0.25 um" in one_line(done.err)
    made, before = tifffile.imread(output), tifffile.imread(stack)
    assert made.shape == (3, 2, 64, 56)
    for plane in made:
        np.testing.assert_array_equal(plane[0], before[1, 0])
        assert not np.array_equal(plane[1], before[1, 1])


@pytest.fixture
def bare(tmp_path, draw_nuclei):
    """An image that does not say its pixel size, and a surface that does not fit it."""
    tifffile.imwrite(tmp_path / "bare.tif", draw_nuclei((64, 64)))
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((8, 8), np.float32))
    tifffile.imwrite(tmp_path / "steep.tif", np.full((80, 72), 7, np.float32))
    tifffile.imwrite(tmp_path / "gaps.tif", np.full((80, 72), np.nan, np.float32))
    stack = np.stack([draw_nuclei((64, 64), seed=seed) for seed in range(3)])
    tifffile.imwrite(tmp_path / "unspaced.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    times = np.stack([draw_nuclei((64, 64), seed=seed) for seed in range(2)])
    tifffile.imwrite(tmp_path / "times.tif", times, imagej=True, metadata={"axes": "TYX"})
    return tmp_path


@pytest.mark.parametrize(
    ("command", "arguments", "code", "message"),
    [
        ("deblur", "in.tif -m one --dz-um 6", 2, "up to 5 um either way, not for 6 um"),
        ("deblur", "in.tif -m one --dz-um steep.tif", 2, "not for 7 um"),
        ("deblur", "in.tif -m one --dz-um small.tif", 3, "one plane of 80 x 72 pixels"),
        ("deblur", "in.tif -m one --dz-um gaps.tif", 3, "distances that are NaN"),
        ("deblur", "in.tif -m one --dz-um near.tif", 2, "there is no file"),
        ("deblur", "in.tif -m one --dz-um inf", 2, "must be finite"),
        ("deblur", "bare.tif -m one --dz-um 2", 3, "does not say its pixel size"),
        ("deblur", "bare.tif -m one --dz-um 2 --pixel-size-um 1", 3, "would invent structure"),
        ("deblur", "in.tif --force", 2, "--force is for refocusers"),
        ("deblur", "in.tif --z-spacing-um 2", 2, "--z-spacing-um is for refocusers"),
        ("deblur", "in.tif -m one --dz-um 2 --z-spacing-um 0", 2, "must be greater than 0"),
        ("deblur", "in.tif -m one --dz-um 2 --trust-map t.tif", 2, "there is no trust map"),
        ("deblur", "unspaced.tif -m multi --dz-um 1 --pixel-size-um 0.5", 3, "--z-spacing-um"),
        ("interpolate", "in.tif -m one --dz-um -6:2:2", 2, "not for -6 um"),
        ("interpolate", "in.tif -m one --dz-um 1:2", 2, "FIRST:LAST:STEP"),
        ("interpolate", "in.tif -m one --dz-um near", 2, "A:B:STEP or a number"),
        ("interpolate", "in.tif in.tif -m one --dz-um 1:2:1", 2, "BLURRIER is for levels"),
        ("interpolate", "in.tif -m one --dz-um 1:2:1 --steps 3", 2, "--steps is for levels"),
        ("interpolate", "in.tif in.tif -m one", 2, "Give --dz-um, such as"),
        ("interpolate", "in.tif", 2, "needs a sharper and a blurrier image"),
        ("interpolate", "in.tif -m one --dz-um 1:2:1 --z-level 1", 2, "There is no z-level 1"),
        ("interpolate", "in.tif -m latent-line --dz-um 1:2:1", 2, "--dz-um is for refocusers"),
        ("interpolate", "times.tif -m one --dz-um 1 --force", 2, "of one time point"),
        ("synthesize-blur", "in.tif -m one --dz-um 6", 2, "not for 6 um"),
        ("synthesize-blur", "in.tif -m one --alpha 0.5", 2, "which moves images by a distance"),
        ("synthesize-blur", "in.tif -m one", 2, "must be told how far to move"),
        ("synthesize-blur", "in.tif --dz-um 2 --force", 2, "--force is for refocusers"),
    ],
)
@pytest.mark.usefixtures("image")
def test_faults_are_told(
    run_cli, bare, weights, averaging, monkeypatch, command, arguments, code, message
):
    monkeypatch.chdir(bare)
    places = {"one": weights, "multi": averaging}
    told = run_cli(
        command, *(places.get(text, text) for text in arguments.split()), "-o", bare / "no.tif"
    )
    assert (told.code, told.out) == (code, ""), told.err
    assert message in one_line(told.err)
    assert not (bare / "no.tif").exists()


def test_a_virtual_stack_is_one_file(run_cli, image, weights, tmp_path):
    told = run_cli("interpolate", image, "-m", weights, "--dz-um", "1", "-o", tmp_path / "folder")
    assert told.code == 2
    assert "A virtual focal stack is one file" in one_line(told.err)
    told = run_cli("interpolate", image, "-m", weights, "--dz-um", "1", "-o", image)
    assert told.code == 6


def test_beyond_the_range_by_force(run_cli, image, weights, tmp_path):
    output = tmp_path / "out.tif"
    done = run_cli("deblur", image, "-m", weights, "--dz-um", "6", "--force", "-o", output)
    assert done.code == 0, done.err
    assert "warning" in done.err
    assert "not for 6 um" in one_line(done.err)
