from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from focusfix.errors import ModelError
from focusfix.io.vgg_weights import find_vgg_weights, read_vgg_weights


def test_reads_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    tensors = {"features.0.weight": torch.rand(4, 3), "classifier.0.bias": torch.rand(2)}
    save_file(tensors, path)
    found = read_vgg_weights(path)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in found)


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_pickles_are_not_opened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"vgg16-397923af{suffix}"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(
        ModelError, match=r"never opens pickles.*convert it once: python -c"
    ) as raised:
        read_vgg_weights(path)
    assert "'vgg16-397923af.safetensors'" in str(raised.value)


def test_other_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv.weight": torch.rand(2)}, path)
    with pytest.raises(ModelError, match="not weights of VGG-16"):
        read_vgg_weights(path)
    with pytest.raises(ModelError, match="there is no such file"):
        read_vgg_weights(tmp_path / "absent.safetensors")


def test_finds_what_lies_in_the_cache_of_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert find_vgg_weights() is None
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "vgg16-397923af.pth").write_bytes(b"PK")
    assert find_vgg_weights() is None
    (folder / "vgg16-397923af.safetensors").write_bytes(b"")
    assert find_vgg_weights() == folder / "vgg16-397923af.safetensors"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert find_vgg_weights() is None
