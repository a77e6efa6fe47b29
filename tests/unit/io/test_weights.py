import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from focusfix.errors import ModelError
from focusfix.io import weights
from focusfix.io.checksums import check_checksum, read_checksums, write_checksums
from focusfix.io.weights import are_installed, find_weights, list_weights, read_card, verify_weights


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Four folders in order of precedence; the last but one is not there."""
    places = {name: tmp_path / name for name in ("shipped", "first", "absent", "cache")}
    monkeypatch.setattr(weights, "shipped_folder", lambda: places["shipped"])
    paths = f"{places['first']}{os.pathsep}{os.pathsep}{places['absent']}"
    monkeypatch.setenv("FOCUSFIX_MODEL_PATH", paths)
    monkeypatch.setenv("FOCUSFIX_CACHE_DIR", str(places["cache"]))
    places["cache"] = places["cache"] / "weights"
    for name in ("shipped", "first", "cache"):
        places[name].mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return places


def put(folder: Path, name: str, content: bytes = b"weights") -> Path:
    path = folder / f"{name}.safetensors"
    path.write_bytes(content)
    return path


def test_lists_all_folders_and_the_first_of_a_name_counts(folders: dict[str, Path]) -> None:
    put(folders["cache"], "a")
    put(folders["cache"], "b")
    mine = put(folders["first"], "a")
    shipped = put(folders["shipped"], "z")
    put(folders["first"], "z")
    (folders["first"] / "notes.txt").touch()
    assert [(file.name, file.source) for file in list_weights()] == [
        ("a", "model-path"),
        ("b", "cache"),
        ("z", "shipped"),
    ]
    assert find_weights("a") == mine
    assert find_weights("z") == shipped


def test_installed_is_what_is_listed(folders: dict[str, Path]) -> None:
    names = {"shipped": "a", "second": "b", "cache": "c"}
    for place in names.keys() & folders.keys():
        put(folders[place], names[place])
    assert list_weights()
    assert all(are_installed(file.name) for file in list_weights())
    assert not are_installed("unheard-of")


def test_a_path_is_taken_as_it_is(folders: dict[str, Path], tmp_path: Path) -> None:
    inside = put(folders["first"], "a")
    own = put(tmp_path, "a")
    assert find_weights("a") == inside
    assert find_weights("a.safetensors") == Path("a.safetensors")
    assert find_weights(str(own)) == find_weights(own) == own
    (tmp_path / "b").touch()
    assert find_weights("b") == Path("b"), "a file without the ending, which is no name"


def test_unknown_name_lists_the_known_ones(folders: dict[str, Path]) -> None:
    put(folders["shipped"], "fluorescence")
    put(folders["shipped"], "brightfield")
    with pytest.raises(ModelError) as caught:
        find_weights("florescence")
    assert "no weights called 'florescence'" in caught.value.cause
    assert "Did you mean fluorescence? Known weights: brightfield, fluorescence" in caught.value.fix


@pytest.mark.parametrize("text", ["no/such.safetensors", "no/such", "such.safetensors"])
def test_missing_path(folders: dict[str, Path], text: str) -> None:
    put(folders["shipped"], "a")
    with pytest.raises(ModelError, match=f"{text}: there is no such weights file"):
        find_weights(text)


@pytest.mark.usefixtures("folders")
def test_no_weights_at_all_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No weights at all were found") as caught:
        find_weights("fluorescence")
    assert str(tmp_path / "absent") in caught.value.fix


def test_card(folders: dict[str, Path]) -> None:
    path = put(folders["shipped"], "a")
    with pytest.raises(ModelError, match="no model card"):
        read_card("a")
    (folders["shipped"] / "a.md").write_text("# A card with µm\n", encoding="utf-8")
    assert read_card("a") == read_card(path) == "# A card with µm\n"
    assert list_weights()[0].card_path.name == "a.md"


def test_verify(folders: dict[str, Path]) -> None:
    for name in ("ok", "changed", "missing"):
        put(folders["shipped"], name)
    write_checksums(folders["shipped"])
    put(folders["shipped"], "changed", b"other")
    (folders["shipped"] / "missing.safetensors").unlink()
    put(folders["first"], "unlisted")
    states = {result.name: result.state for result in verify_weights()}
    assert states == {name: name for name in ("ok", "changed", "missing", "unlisted")}


def test_checksums_are_those_of_sha256sum(folders: dict[str, Path]) -> None:
    path = put(folders["shipped"], "a", b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    listing = write_checksums(folders["shipped"])
    assert listing.read_text() == f"{expected}  a.safetensors\n"
    assert check_checksum(path) == expected
    listing.write_text(f"{expected.upper()} *a.safetensors\n")
    assert read_checksums(folders["shipped"]) == {"a.safetensors": expected}


def test_changed_file_is_refused_and_unlisted_one_is_not(folders: dict[str, Path]) -> None:
    path = put(folders["shipped"], "a")
    assert check_checksum(path) == hashlib.sha256(b"weights").hexdigest()
    write_checksums(folders["shipped"])
    put(folders["shipped"], "a", b"other")
    with pytest.raises(ModelError, match="checksum differs"):
        check_checksum(path)


@pytest.mark.parametrize("line", ["abc  a.safetensors", "0" * 64, "\udc80", ""], ids=ascii)
def test_damaged_list(folders: dict[str, Path], line: str) -> None:
    listing = folders["shipped"] / "SHA256SUMS"
    listing.write_bytes(line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(ModelError, match="not a checksum and a file name"):
        verify_weights()


def test_shipped_folder_is_that_of_the_checkout() -> None:
    assert weights.shipped_folder().name == "weights"
    assert weights.shipped_folder().parent.joinpath("pyproject.toml").is_file()


def test_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOCUSFIX_CACHE_DIR", raising=False)
    monkeypatch.delenv("FOCUSFIX_MODEL_PATH", raising=False)
    assert [source for source, _ in weights.weights_folders()] == ["shipped", "cache"]
    assert weights.cache_folder().parent.name == "focusfix"


def test_catalogue_needs_no_torch() -> None:
    code = (
        "import sys; from focusfix.io.weights import list_weights, verify_weights;"
        "list_weights(); verify_weights();"
        "assert not {'torch', 'safetensors', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
