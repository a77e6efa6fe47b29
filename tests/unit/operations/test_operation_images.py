"""Image files as the engine sees them, and how many tiles are computed at once."""

from pathlib import Path

import numpy as np

from focusfix.blocks import bands_as_blocks
from focusfix.io.image import ImageMetadata, open_image, write_image
from focusfix.operations.images import ReaderSource, choose_batch_size
from focusfix.runtime.device import Device, select_device


def test_batches_pay_on_graphics_cards_only() -> None:
    card = Device("cuda:0", "cuda", "")
    assert choose_batch_size((256, 256), select_device("cpu")) == 1
    assert choose_batch_size((1024, 1024), card) == 8
    assert choose_batch_size((4096, 4096), card) == 1


def write_stack(path: Path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 9, (2, 3, 8, 9, 1), dtype=np.uint16)
    metadata = ImageMetadata("ZCYX", (2, 3, 8, 9), pixels.dtype, format="imagej")
    blocks = bands_as_blocks(pixels.reshape(6, 8, 9, 1), metadata.shape_yx)
    write_image(path, metadata, blocks)
    return pixels


def test_a_file_as_the_engine_sees_it(tmp_path: Path) -> None:
    pixels = write_stack(tmp_path / "stack.tif")
    with open_image(tmp_path / "stack.tif") as reader:
        source = ReaderSource(reader)
        assert (source.shape_yx, source.n_planes, source.samples) == ((8, 9), 6, 1)
        assert source.channel_of_plane == (0, 1, 2, 0, 1, 2)
        assert source.copied_samples == ()
        window = source.read_window(4, slice(2, 5), slice(1, 9))
    np.testing.assert_array_equal(window, pixels[1, 1, 2:5, 1:9])


def test_planes_in_another_order_and_repeated(tmp_path: Path) -> None:
    pixels = write_stack(tmp_path / "stack.tif").reshape(6, 8, 9, 1)
    with open_image(tmp_path / "stack.tif") as reader:
        source = ReaderSource(reader, [5, 0, 0])
        assert source.n_planes == 3
        assert source.channel_of_plane == (2, 0, 0)
        planes = [source.read_window(k, slice(0, 8), slice(0, 9)) for k in range(3)]
    np.testing.assert_array_equal(planes, pixels[[5, 0, 0]])
