"""Blocks of pixels from several parts of an image, plane after plane as its file holds them."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from focusfix.blocks import PaintedBlock
from focusfix.cli.console import Advance

if TYPE_CHECKING:
    import numpy as np

    from focusfix.cli.restoration import Part
    from focusfix.engine.stream import RestoreStats
    from focusfix.operations.images import ReaderSource


def merge_blocks(
    source: "ReaderSource",
    dtype: "np.dtype[Any]",
    parts: "Sequence[Part]",
    stats: "Sequence[RestoreStats]",
    advance: Advance,
) -> Generator[PaintedBlock]:
    """Take the blocks of each plane from the part that it belongs to, in the order of planes.

    Parameters
    ----------
    source : ReaderSource
        The image.
    dtype : dtype
        Type of the pixels.
    parts : sequence of Part
        Together they hold every plane once.
    stats : sequence of RestoreStats
        One for each part; filled in on the way.
    advance : callable
        Told the share of the work that is done.

    Yields
    ------
    Block, ndarray of shape (rows, columns, samples)
        Rectangles, plane after plane.
    """
    from focusfix.engine.stream import restore

    shares = [0.0] * len(parts)

    def tell(index: int, share: float) -> None:
        shares[index] = share * len(parts[index].planes) / source.n_planes
        advance(sum(shares))

    streams = [
        restore(
            source,
            part.tile_function,
            part.plan,
            part.scales,
            companions=part.companions,
            planes=part.planes,
            batch_size=part.batch_size,
            dtype=dtype,
            copied_samples=source.copied_samples,
            stats=stats[index],
            on_progress=partial(tell, index),
        )
        for index, part in enumerate(parts)
    ]
    owner = {plane: index for index, part in enumerate(parts) for plane in part.planes}
    with ExitStack() as stack:
        for stream in streams:
            stack.enter_context(closing(stream))
        for plane in range(source.n_planes):
            yield from _take_plane(streams[owner[plane]], source.shape_yx)


def _take_plane(
    stream: Iterator[PaintedBlock], shape_yx: tuple[int, int]
) -> Iterator[PaintedBlock]:
    n_missing = shape_yx[0] * shape_yx[1]
    while n_missing:
        block, pixels = next(stream)
        height, width = block.shape_yx
        n_missing -= height * width
        yield block, pixels
        del pixels
