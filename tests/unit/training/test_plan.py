"""From what the user asks for to data and complete settings."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from focusfix.data.simulate import SimulationSettings
from focusfix.errors import InputError, UsageError
from focusfix.runtime.device import Device
from focusfix.training.lessons.pairs import make_batch
from focusfix.training.plan import plan_run, training_precision
from focusfix.training.settings import DataPlace
from focusfix.training.simulated_data import SimulatedData, plan_simulation

TINY = {
    "model": "multilevel-unet",
    "hyperparameters": {"levels": 1, "base_width": 2},
    "crop_size": 32,
    "batch_size": 2,
}


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """Three wells of two sites, three planes in a folder each."""
    folder = tmp_path_factory.mktemp("plate")
    rng = np.random.default_rng(0)
    for level in range(3):
        (folder / f"z_{level}").mkdir()
        for well in ("a01", "a02", "b01"):
            for site in (1, 2):
                image = rng.integers(100, 4000, (70, 40), dtype=np.uint16)
                tifffile.imwrite(folder / f"z_{level}" / f"p_{well}_s{site}_w1.tif", image)
    return folder


@pytest.fixture(scope="module")
def sharp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharp")
    rng = np.random.default_rng(0)
    for number in range(8):
        image = rng.integers(0, 255, (64, 64), dtype=np.uint8)
        tifffile.imwrite(folder / f"{number}.tif", image)
    return folder


def test_epochs_become_steps(plate, cpu):
    wanted = {**TINY, "focal_level": "1", "validation_share": 0.3, "test_share": 0.0}
    plan = plan_run(DataPlace(path=str(plate)), wanted, device=cpu, epochs=10)
    facts = plan.describe()
    plan.data.close()
    assert facts["wells"] == 3
    assert facts["split"] == {"train": 4, "validation": 2, "test": 0}
    assert facts["crops_per_epoch"] == 4 * 2 * 2
    assert (facts["steps"], facts["validate_every"], facts["epochs"]) == (80, 4, 10)
    assert plan.settings.hyperparameters["levels"] == 1
    assert plan.settings.loss == "l1"


def test_a_resumed_plan_keeps_what_was_stored(plate, cpu):
    place = DataPlace(path=str(plate))
    first = plan_run(place, {**TINY, "focal_level": "1", "steps": 20}, device=cpu)
    moved = DataPlace(path=str(plate), axes="YX")
    second = plan_run(moved, {"steps": 20}, device=cpu, stored=first.settings)
    assert second.settings == first.settings.model_copy(update={"data": moved})
    assert second.data.split_table == first.data.split_table
    with pytest.raises(UsageError, match="steps 20, not 80"):
        plan_run(place, {}, device=cpu, stored=first.settings, epochs=10)
    first.data.close()
    second.data.close()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"crop_size": 40}, "multiple of 16.*Use 32"),
        ({"learning_rate": 0.0}, "--learning-rate"),
        ({"split_by": "well", "validation_share": 0.6, "test_share": 0.5}, "nothing for training"),
    ],
)
def test_settings_out_of_range(plate, cpu, wanted, message):
    with pytest.raises(UsageError, match=message):
        plan_run(DataPlace(path=str(plate)), {**TINY, **wanted}, device=cpu)


def test_simulated_defocus_draws_by_number(sharp, make_settings):
    simulation = SimulationSettings(crop_px=32, optics_bank=3)
    settings = make_settings(simulation=simulation, validation_share=0.25, test_share=0.0)
    data = SimulatedData(sharp, settings)
    assert data.describe()["left_out_unsharp"] == 0
    splits = [row["split"] for row in data.split_table]
    assert (splits.count("train"), splits.count("validation")) == (6, 2)
    assert sum(data.describe()["split"].values()) == len(data.images) == 8
    assert data.crops_per_epoch == 4 * sum(
        data.split_of_path[image.path] == "train" for image in data.images
    )
    one, other = (
        make_batch(data.train, 4, 2),
        make_batch(SimulatedData(sharp, settings).train, 4, 2),
    )
    assert one.inputs.shape == (2, 1, 32, 32)
    assert one.inputs.equal(other.inputs)
    assert not one.inputs.equal(make_batch(data.validation, 4, 2).inputs)
    assert data.card["blur_radius_px"] == (0.0, 36.0)
    assert {row["field"] for row in data.split_table} == {f"{n}.tif" for n in range(8)}


def test_the_least_sharp_of_many_are_left_out_before_the_split(tmp_path, make_settings):
    rng = np.random.default_rng(0)
    for number in range(20):
        plane = np.kron(rng.random((8, 8)), np.ones((8, 8)))
        plane = plane if number else gaussian_filter(plane, 3)
        tifffile.imwrite(tmp_path / f"{number}.tif", (255 * plane).astype(np.uint8))
    simulation = SimulationSettings(crop_px=32, optics_bank=3)
    settings = make_settings(simulation=simulation, validation_share=0.2, test_share=0.2)
    data = SimulatedData(tmp_path, settings)
    facts = data.describe()
    assert facts["left_out_unsharp"] == 3
    assert facts["notes"] == ["the least sharp planes are left out: 3 of 20"]
    assert facts["split"] == {"train": 11, "validation": 3, "test": 3}
    assert "0.tif" not in {row["field"] for row in data.split_table}


@pytest.mark.parametrize(
    ("wanted", "option"),
    [
        ({"split_by": "well"}, "--split-by"),
        ({"focal_level": "3"}, "--focal-level"),
        ({"channels": ("w1",)}, "--channel"),
        ({}, "--axes"),
        ({"modality": "any"}, "not any"),
    ],
)
def test_settings_of_focal_series_are_refused_for_sharp_images(sharp, cpu, wanted, option):
    place = DataPlace(path=str(sharp), axes=None if wanted else "YX")
    with pytest.raises(UsageError, match=option):
        plan_run(place, {**TINY, "crop_size": 32, **wanted}, device=cpu, simulate=True)


def test_kind_of_simulated_images(tmp_path, sharp, cpu):
    assert not plan_simulation(
        [], crop_px=32, in_focus_share=0, modality="fluorescence"
    ).brightfield
    bright = 255 - tifffile.imread(sharp / "0.tif") // 8 * (np.arange(64) > 50)
    tifffile.imwrite(tmp_path / "b.tif", bright.astype(np.uint8))
    paths = [tmp_path / "b.tif"]
    assert plan_simulation(paths, crop_px=32, in_focus_share=0, modality="auto").brightfield
    place = DataPlace(path=str(sharp))
    with pytest.raises(UsageError, match="at least 32"):
        plan_run(place, {**TINY, "crop_size": 16}, device=cpu, simulate=True)
    with pytest.raises(InputError, match="matches x"):
        plan_run(DataPlace(path=str(sharp), pattern="x*"), TINY, device=cpu, simulate=True)


def test_precision_that_pays(monkeypatch):
    monkeypatch.setattr("focusfix.training.plan.choose_precision", lambda _: "bf16")
    assert training_precision(Device("cpu", "cpu", "")) == "bf16"
    monkeypatch.setattr("focusfix.training.plan.choose_precision", lambda _: "fp32")
    assert training_precision(Device("mps", "mps", "")) == "fp32"


def test_samples_are_counted(plate, cpu):
    wanted = {**TINY, "focal_level": "2", "validation_share": 0.3, "test_share": 0.0}
    plan = plan_run(DataPlace(path=str(plate)), wanted, device=cpu)
    data = plan.data
    assert data.count_triplets("auto") == {"train": 4, "validation": 2, "test": 0}
    assert data.count_groups(3) == {"train": 4, "validation": 2, "test": 0}
    with pytest.raises(InputError, match="No field for training has 4 z-levels; the most are 3"):
        data.count_groups(4)
    with pytest.raises(InputError, match="--z-spacing-um"):
        data.count_refocus_pairs()
    data.close()
    spaced = plan_run(DataPlace(path=str(plate), z_spacing_um=2.0), wanted, device=cpu)
    assert spaced.data.count_refocus_pairs()["train"] == 4 * 6
    assert set(spaced.data.train.group(0, size=2).dz_um) <= {-2, 0, 2, -4, 4}
    spaced.data.close()


def test_fields_for_validation_need_triplets_too(tmp_path, cpu):
    rng = np.random.default_rng(0)
    for name, levels in (("a", 3), ("b", 2)):
        stack = rng.integers(100, 4000, (levels, 40, 40), dtype=np.uint16)
        tifffile.imwrite(tmp_path / f"{name}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    wanted = {
        "model": "linear-ae-direct",
        "hyperparameters": {"widths": [2]},
        "crop_size": 32,
        "focal_level": "0",
        "split": "plate-order",
        "test_share": 0.0,
        "validation_share": 0.5,
    }
    with pytest.raises(InputError, match="No field for training has three z-levels"):
        plan_run(DataPlace(path=str(tmp_path)), wanted, device=cpu)
    (tmp_path / "a.tif").rename(tmp_path / "c.tif")
    with pytest.raises(InputError, match="No field for validation has three z-levels"):
        plan_run(DataPlace(path=str(tmp_path)), wanted, device=cpu)
