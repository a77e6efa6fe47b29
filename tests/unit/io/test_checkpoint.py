import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from focusfix import __version__
from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError, OutputError
from focusfix.io.checkpoint import (
    HEADER_KEY,
    library_versions,
    load_checkpoint,
    read_header,
    read_outline,
    save_checkpoint,
)
from focusfix.models.registry import build_network

TINY = {"levels": 2, "base_width": 1}


@pytest.fixture
def network() -> Any:
    return build_network("multilevel-unet", TINY)


@pytest.fixture
def header(network: Any) -> CheckpointHeader:
    return CheckpointHeader(
        model="multilevel-unet",
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="any",
        trained_on="nothing",
        licence="CC0-1.0",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="untrained",
    )


@pytest.fixture
def checkpoint(tmp_path: Path, network: Any, header: CheckpointHeader) -> Path:
    path = tmp_path / "good.safetensors"
    save_checkpoint(path, network, header)
    return path


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the header of a file, keeping its tensors."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    layout = json.loads(content[8 : 8 + length])
    record = json.loads(layout["__metadata__"][HEADER_KEY])
    change(record)
    layout["__metadata__"][HEADER_KEY] = json.dumps(record)
    text = json.dumps(layout).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path


def error_of(path: Path, read: Callable[[Path], object] = read_header) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert str(path) in caught.value.cause, "the message names the file"
    return str(caught.value)


def test_round_trip(checkpoint: Path, network: Any, header: CheckpointHeader) -> None:
    loaded, loaded_header = load_checkpoint(checkpoint)
    assert read_header(checkpoint) == loaded_header == header
    assert not loaded.training
    expected, actual = network.state_dict(), loaded.state_dict()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_loading_leaves_the_random_state_alone(checkpoint: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(checkpoint)
    assert torch.equal(torch.get_rng_state(), before)


def test_any_memory_order_is_saved(
    tmp_path: Path, network: Any, header: CheckpointHeader, checkpoint: Path
) -> None:
    path = tmp_path / "channels_last.safetensors"
    save_checkpoint(path, network.to(memory_format=torch.channels_last), header)
    assert path.read_bytes() == checkpoint.read_bytes()


def test_reading_the_header_needs_no_torch(checkpoint: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from focusfix.io.checkpoint import read_header, read_outline;"
        "read_outline(Path(sys.argv[1])); assert 'pydantic' not in sys.modules;"
        "read_header(Path(sys.argv[1]));"
        "assert not {'torch', 'safetensors', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(checkpoint)], check=True, timeout=60)


def test_the_outline_is_that_of_the_header(checkpoint: Path) -> None:
    outline, header = read_outline(checkpoint), read_header(checkpoint)
    for name in ("model", "modality", "summary", "abilities"):
        assert getattr(outline, name) == getattr(header, name)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "unheard-of"}, {"model": 3}, {"model": None}, {"summary": 7},
        {"abilities": []}, {"abilities": "deblur"}, {"abilities": [1]}, {"abilities": None},
        {"abilities": ["interpolate"]}, {"format_version": 2},
    ],
)  # fmt: skip
def test_the_outline_is_as_strict_about_what_is_in_it(
    checkpoint: Path, change: dict[str, Any]
) -> None:
    rewrite(checkpoint, lambda record: record.update(change))
    assert error_of(checkpoint, read_outline) == error_of(checkpoint, read_header)


def test_nothing_is_left_when_writing_fails(
    tmp_path: Path, network: Any, header: CheckpointHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_file: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("focusfix.io.checkpoint.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "new.safetensors", network, header)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(tmp_path: Path, network: Any, header: CheckpointHeader) -> None:
    with pytest.raises(OutputError, match="No such file"):
        save_checkpoint(tmp_path / "no" / "new.safetensors", network, header)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "wiener-unet"}, "the header names wiener-unet"),
        ({"hyperparameters": {"levels": 3}}, "are not the network's"),
    ],
)
def test_refuses_to_save_what_would_not_load(
    tmp_path: Path, network: Any, header: CheckpointHeader, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        save_checkpoint(tmp_path / "x.safetensors", network, header.model_copy(update=change))


def test_missing_file(tmp_path: Path) -> None:
    assert "there is no such file" in error_of(tmp_path / "none.safetensors")


def test_folder_instead_of_file(tmp_path: Path) -> None:
    assert "cannot be read" in error_of(tmp_path)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "legacy"])
def test_pytorch_files_are_never_opened(
    tmp_path: Path, name: str, new_format: bool, network: Any
) -> None:
    path = tmp_path / name
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=new_format)
    assert "never opens pickles" in error_of(path)
    assert "never opens pickles" in error_of(path, load_checkpoint)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["model.pkl", "model.safetensors"])
def test_a_pickle_does_not_run(tmp_path: Path, protocol: int, name: str) -> None:
    path, marker = tmp_path / name, tmp_path / "ran"
    path.write_bytes(pickle.dumps(Bomb(marker), protocol=protocol))
    error_of(path, load_checkpoint)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5 file"),
        (b"II*\0" + bytes(100), "not a safetensors file"),
        (b"{}", "not a safetensors file"),
        (bytes(8) + b"{}", "not a safetensors file"),
        ((2**40).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((100).to_bytes(8, "little") + b"{}", "ends inside its header"),
        ((2).to_bytes(8, "little") + b"{x", "not valid JSON"),
        ((3).to_bytes(8, "little") + b"{\xff}", "not valid JSON"),
        ((200_000).to_bytes(8, "little") + b'{"a":' * 40_000, "not valid JSON"),
        ((8).to_bytes(8, "little") + b'{"a": 1}', "table of tensors is damaged"),
        ((10).to_bytes(8, "little") + b'{"a": {} }', "table of tensors is damaged"),
        ((2).to_bytes(8, "little") + b"{}", "no focusfix header"),
        ((21).to_bytes(8, "little") + b'{"__metadata__": [1]}', "no focusfix header"),
    ],
)
def test_other_and_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert message in error_of(path)


def test_foreign_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    assert "no focusfix header" in error_of(path)


@pytest.mark.parametrize("text", ["[]", "not json"])
def test_header_that_is_not_an_object(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={HEADER_KEY: text})
    assert "header is damaged" in error_of(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(checkpoint: Path, share: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(share * len(content))])
    assert "Copy or download the file again" in error_of(checkpoint)


def test_bytes_after_the_end(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes() + b"\0")
    assert "longer than it should be" in error_of(checkpoint)


def test_future_format_names_its_writer(checkpoint: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["format_version"] = 7
        record["versions"]["focusfix"] = "9.1.0"
        record["new_key"] = 1

    message = error_of(rewrite(checkpoint, change))
    assert "format version 7, written by focusfix 9.1.0" in message
    assert f"focusfix {__version__} reads version 1" in message
    assert "Install focusfix 9.1.0" in message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format_version", None, "format version None"),
        ("format_version", True, "format version True"),
        ("model", "alexnet", "no network architecture called 'alexnet'"),
        ("abilities", ["interpolate"], "claims interpolate, which multilevel-unet cannot do"),
        ("seed", "x", "not valid (seed"),
        ("surprise", 1, "not valid (surprise"),
    ],
)
def test_header_that_cannot_be_used(
    checkpoint: Path, key: str, value: object, message: str
) -> None:
    assert message in error_of(rewrite(checkpoint, lambda record: record.update({key: value})))


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"levels": 9}, "levels must be a whole number"),
        ({"levels": None}, "levels must be a whole number"),
        ({"depth": 2}, "no hyperparameter 'depth'"),
        ({"levels": 1, "base_width": 1}, "is not known"),
        ({"levels": 3, "base_width": 1}, "is missing"),
        ({"levels": 2, "base_width": 2}, "has shape (1,), expected (2,)"),
    ],
)
def test_hyperparameters_that_do_not_fit(
    checkpoint: Path, hyperparameters: dict[str, Any], message: str
) -> None:
    path = rewrite(checkpoint, lambda record: record.update(hyperparameters=hyperparameters))
    read_header(path)
    assert message in error_of(path, load_checkpoint)


def test_weights_that_are_not_finite(
    tmp_path: Path, network: Any, header: CheckpointHeader
) -> None:
    with torch.no_grad():
        network.subnetworks[0].head.bias.fill_(float("nan"))
    path = tmp_path / "nan.safetensors"
    save_checkpoint(path, network, header)
    assert "holds NaN or infinity" in error_of(path, load_checkpoint)


def test_tensor_table_that_safetensors_refuses(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    assert content.count(b'"F32"') > 1
    checkpoint.write_bytes(content.replace(b'"F32"', b'"F99"', 1))
    assert "the weights are damaged" in error_of(checkpoint, load_checkpoint)
