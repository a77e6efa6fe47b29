import io
import json

import pytest

from focusfix.cli.console import Console
from focusfix.errors import InputError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_results_and_messages_do_not_mix(capsys):
    console = Console(verbose=True)
    console.result("out.tif")
    console.note("chosen")
    console.detail("more")
    console.warning("beware")
    console.error(InputError("It is bad.", "Make it good."))
    out, err = capsys.readouterr()
    assert out == "out.tif\n"
    assert err.splitlines() == [
        "chosen",
        "more",
        "warning: beware",
        "error: It is bad. Make it good.",
    ]


def test_quiet_keeps_warnings_and_errors(capsys):
    console = Console(quiet=True)
    console.note("chosen")
    console.detail("more")
    console.warning("beware")
    with console.progress("work") as advance:
        advance(0.5)
    assert capsys.readouterr().err == "warning: beware\n"


def test_a_warning_is_given_once(capsys):
    console = Console()
    console.warning("beware")
    console.warning("beware")
    assert capsys.readouterr().err.count("beware") == 1


def test_record_names_its_schema(capsys):
    Console().record({"output": "a.tif"})
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "output": "a.tif"}


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_on_a_terminal_unless_unwanted(monkeypatch, no_color, coloured):
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("NO_COLOR", no_color)
    Console().warning("beware")
    assert ("\033[" in stderr.getvalue()) is coloured


def test_bar_on_a_terminal(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with Console().progress("in.tif") as advance:
        advance(0.5)
        advance(1.0)
    assert "in.tif" in stderr.getvalue()
    assert "%" in stderr.getvalue()


def test_lines_now_and_then_in_a_log(monkeypatch, capsys):
    seconds = iter([0.0, 1.0, 3.0, 4.0, 14.0, 30.0])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    with Console().progress("in.tif") as advance:
        for share in (0.1, 0.2, 0.3, 0.6, 1.0):
            advance(share)
    assert capsys.readouterr().err.splitlines() == ["in.tif: 20%", "in.tif: 60%"]


def test_no_progress(capsys):
    with Console(show_progress=False).progress("in.tif") as advance:
        advance(0.5)
    assert capsys.readouterr().err == ""
