import os
import sys
from collections.abc import Callable
from pathlib import Path

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
def show_figure() -> Callable[[str], None]:
    """Write a measured figure to the test's output: `pytest -rP` lists them."""

    def show(line: str) -> None:
        sys.stdout.write(f"{line}\n")

    return show
