import subprocess
import sys

import pytest

from focusfix.errors import ModelError
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network, get_entry, list_entries


def test_names_are_unique_and_sorted() -> None:
    names = [entry.name for entry in list_entries()]
    assert names == sorted(set(names))
    assert {"multilevel-unet", "wiener-unet"} <= set(names)


def test_builds_with_defaults_filled_in() -> None:
    network = build_network("multilevel-unet", {"levels": 1, "base_width": 1})
    assert isinstance(network, Restorer)
    assert network.hyperparameters["fusion"] == "residual"


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'multilevel-net'.*Did you mean multilevel-unet\? Known"):
        get_entry("multilevel-net")


def test_unknown_hyperparameter_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no hyperparameter 'depth'\. Known.*levels, fusion"):
        build_network("multilevel-unet", {"depth": 3})


def test_hyperparameter_out_of_range() -> None:
    with pytest.raises(ModelError, match="levels must be a whole number from 1 to 4, got 9"):
        build_network("multilevel-unet", {"levels": 9})


def test_is_read_without_torch() -> None:
    code = (
        "import sys; from focusfix.models.registry import list_entries; list_entries();"
        "assert 'torch' not in sys.modules and 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
