import numpy as np
import pytest
import torch

from focusfix.config import CheckpointHeader
from focusfix.errors import InputError, ModelError
from focusfix.io.checkpoint import library_versions, save_checkpoint
from focusfix.metrics.defocus import signal_share
from focusfix.models.registry import build_network, get_entry
from focusfix.operations.distance_reading import (
    DISTANCE_READERS,
    CodeDistanceReader,
    load_distance_reader,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def build(name="manifold-1d", **changes):
    torch.manual_seed(0)
    return build_network(name, {**get_entry(name).tiny, **changes}).eval()


def calibrate(network, *, dz_um=(0.0, 8.0, 16.0, 24.0)):
    """Plant a curve over the codes that random images have."""
    image = torch.from_numpy(draw(1, 1, 128, 128, seed=1))
    with torch.inference_mode():
        middle = float(network.encode(image).blur)
    codes = middle + torch.linspace(-1, 1, 2 * len(dz_um)).reshape(-1, 2)
    network.calibrate(codes.reshape(-1, 1), torch.tensor(dz_um).repeat_interleave(2))
    return network


def save(path, network, name):
    header = CheckpointHeader(
        model=name,
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="any",
        trained_on="nothing",
        licence="none",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="random",
    )
    save_checkpoint(path, network, header)


@pytest.mark.parametrize("changes", [{"head": "map"}, {"head": "dense", "size_px": 32}])
def test_tiles_read_what_the_network_does(changes):
    network = calibrate(build(**changes))
    cell = network.footprint.stride_px
    image = draw(5 * cell + 3, 7 * cell)
    whole = image[: 5 * cell]
    weights = torch.from_numpy(signal_share(whole, cell))
    with torch.inference_mode():
        codes = network.read_blocks(torch.from_numpy(whole)[None, None])[0, 0]
        mean = (codes * weights).sum() / weights.sum()
        value, confidence = network.curve.read(mean[None])
    reader = CodeDistanceReader(network)
    for core in (reader._core_px, 2 * cell):
        reader._core_px = core
        found = reader.read(image)
        assert found.value_um == pytest.approx(float(value), abs=1e-3)
        assert found.confidence == pytest.approx(float(confidence), abs=1e-4)
        assert found.value_map_um.shape == found.error_map_um.shape == (5, 7)
    prior = float(network.curve.prior_um)
    assert found.error_um == pytest.approx(prior * (1 - found.confidence))


def test_blocks_are_read_for_themselves():
    network = calibrate(build(head="dense", size_px=32))
    image = draw(64, 32)
    with torch.inference_mode():
        codes = network.read_blocks(torch.from_numpy(image)[None, None])
        expected = network.curve.read(codes.flatten())[0]
        mean = network.encode(torch.from_numpy(image)[None, None]).blur
    found = CodeDistanceReader(network).read(image)
    np.testing.assert_allclose(found.value_map_um.ravel(), expected.numpy(), atol=1e-4)
    torch.testing.assert_close(codes.mean(dim=(-2, -1)), mean)


def test_one_block_is_read_as_the_network_reads_it():
    network = calibrate(build(head="dense", size_px=64))
    image = draw(64, 64)
    with torch.inference_mode():
        expected = network.distance_um(torch.from_numpy(image)[None, None])
    found = CodeDistanceReader(network).read(image)
    assert found.value_um == pytest.approx(float(expected.value_um), abs=1e-3)
    assert found.confidence == pytest.approx(float(expected.confidence), abs=1e-4)


def test_empty_blocks_hardly_count():
    network = calibrate(build())
    cell = network.footprint.stride_px
    image = np.zeros((8 * cell, 8 * cell), np.float32)
    image += 0.003 * draw(*image.shape)
    rows, columns = np.indices((2 * cell, 2 * cell))
    image[: 2 * cell, : 2 * cell] += np.sin(rows / 2) * np.sin(columns / 2)
    found = CodeDistanceReader(network).read(image)
    with torch.inference_mode():
        codes = network.read_blocks(torch.from_numpy(image)[None, None])[0, 0]
        seen = network.curve.read(codes[:2, :2].mean()[None])[0]
        plain = network.curve.read(codes.mean()[None])[0]
    assert abs(found.value_um - float(seen)) < 0.5 * abs(float(plain) - float(seen))
    assert found.error_map_um[4:, 4:].min() > 2 * found.error_map_um[:2, :2].max()


@pytest.mark.parametrize(("dz_um", "signed"), [((0, 4, 8), False), ((-4, 0, 4), True)])
def test_sides_are_told_as_the_curve_does(dz_um, signed):
    network = calibrate(build(), dz_um=tuple(map(float, dz_um)))
    assert CodeDistanceReader(network).signed is signed


def test_images_smaller_than_a_block_are_refused():
    reader = CodeDistanceReader(calibrate(build(head="dense", size_px=64)))
    with pytest.raises(InputError, match=r"is 100 x 40 pixels, and .* blocks of 64 x 64"):
        reader.read(np.zeros((40, 100), np.float32))


def test_weights_without_a_curve_are_refused(tmp_path):
    save(tmp_path / "a.safetensors", build(), "manifold-1d")
    with pytest.raises(ModelError, match="no table from blur codes to micrometres"):
        load_distance_reader(tmp_path / "a.safetensors")


def test_loaded_weights_read_as_before(tmp_path):
    network = calibrate(build())
    save(tmp_path / "a.safetensors", network, "manifold-1d")
    reader, header = load_distance_reader(tmp_path / "a.safetensors")
    assert header.model in DISTANCE_READERS
    image = draw(64, 64)
    assert reader.read(image).value_um == CodeDistanceReader(network).read(image).value_um


def test_other_weights_tell_no_distance(tmp_path):
    save(tmp_path / "a.safetensors", build("latent-line"), "latent-line")
    with pytest.raises(ModelError, match="does not tell distances"):
        load_distance_reader(tmp_path / "a.safetensors")
