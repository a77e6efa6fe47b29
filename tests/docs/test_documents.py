"""Links between documents lead somewhere, and every command line in them is one that parses."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.main import get_command

from focusfix.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "samples/*.md", "weights/*.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
    if "_build" not in path.parts
)
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
SHELLS = {"console", "bash", "sh"}

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)
ParsingError: type[Any] = typer.BadParameter.__mro__[1]


class Block(NamedTuple):
    """One fenced block of a document."""

    language: str
    text: str


def read_blocks(name: str) -> list[Block]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Block(*match.groups()) for match in FENCE.finditer(text)]


def shell_lines(block: Block) -> Iterator[str]:
    """Lines that a user types, continued lines joined; the output in console blocks is left out."""
    text = block.text.replace("\\\n", " ").replace("|\n", "| ")
    for line in text.splitlines():
        if block.language != "console":
            yield line
        elif line.startswith("$ "):
            yield line.removeprefix("$ ")


def command_lines(line: str) -> Iterator[list[str]]:
    """Arguments of every call of focusfix in one line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    for is_break, group in groupby(lexer, lambda word: not word.strip("();<>|&")):
        words = [word for word in group if word not in {"do", "then"}]
        if not is_break and words and words[0] == "focusfix":
            yield words[1:]


def documented_commands() -> list[tuple[str, str]]:
    return [
        (name, shlex.join(arguments))
        for name in NAMES
        for block in read_blocks(name)
        if block.language in SHELLS
        for line in shell_lines(block)
        for arguments in command_lines(line)
    ]


def parse_command(arguments: list[str]) -> None:
    """Parse a command line as focusfix would, without doing what it says."""
    command: Any = get_command(app)
    words = list(arguments)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), f"there is no command {words[:1]}"
    command.make_context("focusfix", words)


def slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            headings = HEADING.findall(FENCE.sub("", target.read_text(encoding="utf-8")))
            assert anchor in {slug(heading) for heading in headings}, link


@pytest.mark.parametrize(("name", "line"), documented_commands())
def test_commands_parse(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.toml").touch()  # what --config names
    try:
        parse_command(shlex.split(line))
    except ParsingError as error:
        pytest.fail(f"{name}: focusfix {line}: {error.format_message()}")


@pytest.mark.parametrize("name", NAMES)
def test_shell_scripts_are_valid(name: str) -> None:
    for block in read_blocks(name):
        if block.language in {"bash", "sh"}:
            command = ["bash", "-n", "-c", block.text]
            result = subprocess.run(command, check=False, capture_output=True, text=True)
            assert result.returncode == 0, result.stderr


def test_the_documents_show_every_command() -> None:
    shown = {line.split()[0] for _, line in documented_commands()}
    commands: Any = get_command(app)
    assert shown >= set(commands.commands)


@pytest.mark.parametrize(
    "line", ["deblur in.tif --no-such-flag", "deblur in.tif --dtype int8", "sharpen in.tif"]
)
def test_wrong_commands_are_found(line: str) -> None:
    with pytest.raises((ParsingError, AssertionError)):
        parse_command(line.split())


def test_commands_are_found_wherever_they_stand() -> None:
    line = 'for f in *.tif; do focusfix deblur "$f" -o "x/$(basename "$f")" || echo "$f"; done'
    assert list(command_lines(line)) == [["deblur", "$f", "-o", "x/$(basename $f)"]]
    assert list(command_lines("ls | focusfix info --json > out.json # focusfix")) == [
        ["info", "--json"]
    ]
    block = Block("console", "$ focusfix info a.tif\nfocusfix says\n")
    assert list(shell_lines(block)) == ["focusfix info a.tif"]
