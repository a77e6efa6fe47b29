"""Operations bind models to tile functions, and files to the engine."""

from pathlib import Path

import numpy as np
import pytest

from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError
from focusfix.io.image import ImageMetadata, open_image, write_image
from focusfix.models.registry import build_network, get_entry
from focusfix.operations import ReaderSource, choose_batch_size, deblur_function
from focusfix.runtime.device import Device, select_device

CPU = select_device("cpu")


def header(*abilities: str) -> CheckpointHeader:
    return CheckpointHeader.model_validate(
        {
            "model": "wiener-unet",
            "hyperparameters": dict(get_entry("wiener-unet").tiny),
            "abilities": abilities,
            "modality": "any",
            "trained_on": "nothing",
            "licence": "BSD-3-Clause",
            "seed": 0,
            "steps": 0,
            "versions": {"focusfix": "0"},
            "summary": "For tests",
        }
    )


def test_an_untrained_restorer_returns_the_image() -> None:
    network = build_network("wiener-unet", get_entry("wiener-unet").tiny)
    function = deblur_function(network, header("deblur"), device=CPU, runtime="torch")
    tile = np.random.default_rng(0).random((1, 1, 32, 32), dtype=np.float32)
    np.testing.assert_allclose(function(tile), tile, atol=1e-6)


def test_a_model_that_only_adds_blur_does_not_deblur() -> None:
    network = build_network("wiener-unet", get_entry("wiener-unet").tiny)
    with pytest.raises(ModelError, match="trained to synthesize-blur, not to deblur"):
        deblur_function(network, header("synthesize-blur"), device=CPU)


def test_batches_pay_on_graphics_cards_only() -> None:
    card = Device("cuda:0", "cuda", "")
    assert choose_batch_size((256, 256), CPU) == 1
    assert choose_batch_size((1024, 1024), card) == 4
    assert choose_batch_size((4096, 4096), card) == 1


def test_a_file_as_the_engine_sees_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 9, (2, 3, 8, 9, 1), dtype=np.uint16)
    metadata = ImageMetadata("ZCYX", (2, 3, 8, 9), pixels.dtype, format="imagej")
    write_image(tmp_path / "stack.tif", metadata, pixels.reshape(6, 8, 9, 1))
    with open_image(tmp_path / "stack.tif") as reader:
        source = ReaderSource(reader)
        assert (source.shape_yx, source.n_planes, source.samples) == ((8, 9), 6, 1)
        assert source.channel_of_plane == (0, 1, 2, 0, 1, 2)
        assert source.copied_samples == ()
        window = source.read_window(4, slice(2, 5), slice(1, 9))
    np.testing.assert_array_equal(window, pixels[1, 1, 2:5, 1:9])
