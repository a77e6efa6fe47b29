import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Before torch is imported: sums come out bit for bit alike in tests and in the programs they
# start, and workers do not fight over processors.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real microscope images; tests that ask for it are skipped without it."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FOCUSFIX_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set FOCUSFIX_TEST_DATA to their folder")
    return folder


@pytest.fixture
def build_tiny() -> Callable[..., Any]:
    """Build the tiny version of a registered network, with random weights in place of zeros too."""
    import torch

    from focusfix.models.registry import build_network

    def build(entry: Any, alpha: float = 0.02) -> Any:
        torch.manual_seed(0)
        network = build_network(entry.name, entry.tiny)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=alpha)
        return network.eval()

    return build


@pytest.fixture
def show_figure() -> Callable[[str], None]:
    """Write a measured figure to the test's output: `pytest -rP` lists them."""

    def show(line: str) -> None:
        sys.stdout.write(f"{line}\n")

    return show


_NGFF_AXES = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", "type": "space", "unit": "micrometer"},
    "y": {"name": "y", "type": "space", "unit": "micrometer"},
    "x": {"name": "x", "type": "space", "unit": "micrometer"},
}


@pytest.fixture
def save_zarr() -> Callable[..., Path]:
    """Write an OME-Zarr image with zarr alone, in one level; skipped where zarr is missing.

    Further words go to zarr's ``create_array``.
    """
    zarr = pytest.importorskip("zarr")

    def save(
        path: Path,
        pixels: np.ndarray,
        axes: str,
        *,
        version: str = "0.4",
        scale: list[float] | None = None,
        omero: dict[str, Any] | None = None,
        **words: Any,
    ) -> Path:
        zarr_format = 3 if version == "0.5" else 2
        if zarr_format == 2:
            words.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
        steps = [1.0] * len(axes) if scale is None else scale
        multiscale = {
            "axes": [_NGFF_AXES.get(axis, {"name": axis}) for axis in axes],
            "datasets": [
                {
                    "path": "0",
                    "coordinateTransformations": [{"type": "scale", "scale": steps}],
                }
            ],
        }
        shown = {} if omero is None else {"omero": omero}
        group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
        if version == "0.5":
            group.attrs["ome"] = {"version": version, "multiscales": [multiscale], **shown}
        else:
            group.attrs.update({"multiscales": [{"version": version, **multiscale}], **shown})
        array = group.create_array("0", shape=pixels.shape, dtype=pixels.dtype, **words)
        array[...] = pixels
        return path

    return save


@pytest.fixture
def save_plate(save_zarr: Callable[..., Path]) -> Callable[..., Path]:
    """Write an OME-Zarr plate of the images of its fields, such as "A/1/0"; words as above."""
    zarr = pytest.importorskip("zarr")

    def save(path: Path, fields: dict[str, np.ndarray], axes: str, **words: Any) -> Path:
        wells: dict[str, list[dict[str, Any]]] = {}
        for field in fields:
            well, _, name = field.rpartition("/")
            wells.setdefault(well, []).append({"path": name, "acquisition": 0})
        rows, columns = (sorted(set(names)) for names in zip(*map(_split_well, wells), strict=True))
        root = zarr.open_group(path, mode="w", zarr_format=2)
        root.attrs["plate"] = {
            "version": "0.4",
            "name": "screen",
            "field_count": max(map(len, wells.values())),
            "rows": [{"name": name} for name in rows],
            "columns": [{"name": name} for name in columns],
            "wells": [
                {"path": well, "rowIndex": rows.index(row), "columnIndex": columns.index(column)}
                for well, (row, column) in zip(wells, map(_split_well, wells), strict=True)
            ],
        }
        for well, images in wells.items():
            root.create_group(well).attrs["well"] = {"version": "0.4", "images": images}
        for field, pixels in fields.items():
            save_zarr(path / field, pixels, axes, **words)
        return path

    return save


def _split_well(well: str) -> tuple[str, str]:
    row, column = well.split("/")
    return row, column
