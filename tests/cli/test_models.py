"""``focusfix models``: the catalogue, cards and checksums."""

import json
from hashlib import sha256

import pytest


@pytest.fixture
def folder(tmp_path, tiny_weights, monkeypatch):
    """A folder of weights with a card and a list of checksums."""
    folder = tmp_path / "weights"
    folder.mkdir()
    content = tiny_weights.read_bytes()
    (folder / "mine.safetensors").write_bytes(content)
    (folder / "mine.md").write_text("# Mine\n\nMade for tests.\n")
    (folder / "SHA256SUMS").write_text(f"{sha256(content).hexdigest()}  mine.safetensors\n")
    monkeypatch.setenv("FOCUSFIX_MODEL_PATH", str(folder))
    monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: tmp_path / "none")
    return folder


def test_list(run_cli, folder):
    done = run_cli("models", "list")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[1][:5] == ["mine", "wiener-unet", "fluorescence", "deblur", "model-path"]
    row = next(line for line in lines if line[:1] == ["multilevel-unet"])
    assert row[1:3] == ["none:", "train"]

    record = json.loads(run_cli("models", "list", "--json").out)
    assert [each["name"] for each in record["weights"]] == ["mine"]
    assert record["weights"][0]["path"] == str(folder / "mine.safetensors")
    weights = {each["name"]: each["weights"] for each in record["networks"]}
    assert weights["wiener-unet"] == ["mine"]
    assert weights["multilevel-unet"] == []


def test_list_goes_on_after_damaged_weights(run_cli, folder):
    (folder / "bad.safetensors").write_bytes(b"nothing")
    done = run_cli("models", "list")
    assert done.code == 0
    assert "warning:" in done.err
    assert "damaged" in done.out
    assert "mine" in done.out


def test_show(run_cli, folder):
    done = run_cli("models", "show", "mine")
    assert "# Mine\n\nMade for tests." in done.out
    assert "BSD-3-Clause" in done.out
    record = json.loads(run_cli("models", "show", folder / "mine.safetensors", "--json").out)
    assert record["header"]["model"] == "wiener-unet"
    assert record["card"].startswith("# Mine")


@pytest.mark.usefixtures("folder")
def test_show_what_is_not_there(run_cli):
    done = run_cli("models", "show", "yours")
    assert done.code == 4
    assert "There are no weights called 'yours'" in done.err
    assert "mine" in done.err


def test_verify(run_cli, folder):
    done = run_cli("models", "verify", "--json")
    assert done.code == 0
    assert [each["state"] for each in json.loads(done.out)["weights"]] == ["ok"]
    with (folder / "mine.safetensors").open("ab") as file:
        file.write(b"x")
    done = run_cli("models", "verify")
    assert done.code == 4
    assert "changed" in done.out
    assert "mine.safetensors" in done.err


def test_path(run_cli, folder):
    assert run_cli("models", "path", "mine").out == f"{folder / 'mine.safetensors'}\n"
    assert str(folder) in run_cli("models", "path").out.splitlines()
    record = json.loads(run_cli("models", "path", "--json").out)
    assert {"from": "model-path", "path": str(folder), "exists": True} in record["folders"]
