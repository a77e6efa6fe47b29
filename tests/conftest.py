import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


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
