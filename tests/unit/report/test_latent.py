import numpy as np
import pytest

from focusfix.report.latent import (
    CodeMap,
    CodePath,
    neighbour_map,
    principal_components,
    write_code_maps,
    write_code_paths,
)

LEVELS = (-12.0, -8.0, -4.0, 0.0)


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    rows = np.random.default_rng(0).normal(size=(12, 30)) * np.linspace(5, 0.1, 30)
    placed, shares = principal_components(rows)
    centred = rows - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(placed), np.abs(left[:, :2] * values[:2]), atol=1e-9)
    np.testing.assert_allclose(shares, values[:2] ** 2 / (values**2).sum())


def test_a_line_has_one_component() -> None:
    placed, shares = principal_components(np.outer([0.0, 1, 2, 3], np.ones(5)))
    assert shares == pytest.approx([1, 0], abs=1e-9)
    assert np.diff(placed[:, 0]) ** 2 == pytest.approx(5)
    assert principal_components(np.ones((3, 4)))[1].tolist() == [0, 0]


def test_neighbours_stay_together() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(50 * k, 1, (12, 6)) for k in range(3)])
    placed = neighbour_map(rows)
    middles = placed.reshape(3, 12, 2).mean(axis=1)
    nearest = np.linalg.norm(placed[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.repeat(range(3), 12))
    np.testing.assert_array_equal(placed, neighbour_map(rows))


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_paths_are_drawn(tmp_path, suffix) -> None:
    rng = np.random.default_rng(0)
    paths = [CodePath(name, LEVELS, rng.normal(size=(4, 20))) for name in "ab"]
    write_code_paths(tmp_path / f"paths{suffix}", paths, "um")
    content = (tmp_path / f"paths{suffix}").read_bytes()
    assert content.startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")


@pytest.mark.parametrize("elements", [1, 10])
def test_maps_are_drawn(tmp_path, elements) -> None:
    rng = np.random.default_rng(0)
    codes = CodeMap(
        rng.normal(size=(12, 20)),
        rng.normal(size=(12, elements)),
        np.repeat(np.arange(3), 4),
        np.abs(np.tile(LEVELS, 3)),
    )
    write_code_maps(tmp_path / "maps.svg", codes, "um")
    assert b"<svg" in (tmp_path / "maps.svg").read_bytes()
