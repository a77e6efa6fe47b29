"""``focusfix doctor``: an installation that works, and faults that were planted."""

import json


def test_sound_installation(run_cli):
    done = run_cli("doctor", "--json")
    assert done.code == 0
    record = json.loads(done.out)
    assert record["versions"]["torch"]
    cpu = record["devices"][-1]
    assert (cpu["device"], cpu["ok"], cpu["difference_from_cpu"]) == ("cpu", True, 0.0)
    text = run_cli("doctor").out
    assert "versions" in text
    assert "difference_from_cpu" in text


def test_device_that_computes_something_else(run_cli, monkeypatch):
    monkeypatch.setattr("focusfix.runtime.device.compare_with_cpu", lambda device: 0.5)  # noqa: ARG005
    done = run_cli("doctor")
    assert done.code == 4
    assert "cpu does not compute what the CPU does" in done.err


def test_damaged_weights(run_cli, tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"something")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  w.safetensors\n")
    monkeypatch.setenv("FOCUSFIX_MODEL_PATH", str(tmp_path))
    done = run_cli("doctor", "--json")
    assert done.code == 4
    assert "w.safetensors" in done.err
    assert "changed" in done.out
