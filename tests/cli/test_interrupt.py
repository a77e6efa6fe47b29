"""Stopping a run: the exit code says so, and nothing unfinished has the output's name."""

import signal
import subprocess
import sys
import time

import pytest
import tifffile


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_while_writing(tmp_path, draw_nuclei, program_environment, number, code):
    """A blur wider than the image keeps the program busy between the bands it writes."""
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, draw_nuclei((1500, 700)), imagej=True)
    command = (
        "synthesize-blur", source, "--dz-um", "60", "--numerical-aperture", "0.8",
        "--pixel-size-um", "0.5", "--tile-size", "512", "-o", tmp_path / "out.tif",
    )  # fmt: skip
    # Shells make programs in the background deaf to Ctrl-C, which children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    program = subprocess.Popen(
        [sys.executable, "-m", "focusfix", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program_environment,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "out.tif.partial").exists() and time.monotonic() < deadline:
        assert program.poll() is None, program.communicate()
        time.sleep(0.01)
    program.send_signal(number)
    out, err = program.communicate(timeout=60)
    assert program.returncode == code, err
    assert out == ""
    assert "stopped" in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]
