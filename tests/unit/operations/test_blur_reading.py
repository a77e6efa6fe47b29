import numpy as np
import pytest
import torch

from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError
from focusfix.io.checkpoint import library_versions, save_checkpoint
from focusfix.models.registry import build_network, get_entry
from focusfix.operations.blur_reading import READERS, NetworkBlurReader, load_blur_reader


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("latent-line", dict(get_entry("latent-line").tiny)).eval()


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


def test_tiles_read_what_the_whole_plane_reads(network):
    image = np.random.default_rng(0).random((90, 130)).astype(np.float32)
    whole, tiled = NetworkBlurReader(network), NetworkBlurReader(network)
    tiled._core_px = 5 * tiled.cell_px
    for first, second in zip(whole.radius_px(image), tiled.radius_px(image), strict=True):
        assert first.shape == (23, 33)
        np.testing.assert_allclose(first, second, atol=2e-4)


def test_reading_is_that_of_the_network(network):
    image = np.random.default_rng(1).random((64, 80)).astype(np.float32)
    with torch.inference_mode():
        expected = network.read_blur(torch.from_numpy(image)[None, None])
    for found, wanted in zip(NetworkBlurReader(network).radius_px(image), expected, strict=True):
        np.testing.assert_array_equal(found, wanted[0, 0].numpy())


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (41, 43)])
def test_any_size_is_read(network, shape):
    reader = NetworkBlurReader(network)
    maps = reader.radius_px(np.random.default_rng(2).random(shape).astype(np.float32))
    expected = tuple(-(-size // reader.cell_px) for size in shape)
    for each in maps:
        assert each.shape == expected
        assert (each >= 0).all()
        assert (each <= reader.farthest_px).all()


def test_weights_are_loaded(network, tmp_path):
    save(tmp_path / "a.safetensors", network, "latent-line")
    reader, header = load_blur_reader(tmp_path / "a.safetensors")
    assert header.model in READERS
    image = np.random.default_rng(3).random((40, 40)).astype(np.float32)
    np.testing.assert_array_equal(
        reader.radius_px(image)[0], NetworkBlurReader(network).radius_px(image)[0]
    )


def test_other_weights_do_not_read_blur(tmp_path):
    other = build_network("wiener-unet", dict(get_entry("wiener-unet").tiny))
    save(tmp_path / "a.safetensors", other, "wiener-unet")
    with pytest.raises(ModelError, match="which does not read how far"):
        load_blur_reader(tmp_path / "a.safetensors")
