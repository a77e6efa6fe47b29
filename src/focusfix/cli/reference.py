"""Write the page ``docs/cli.md`` from the commands: ``python -m focusfix.cli.reference``."""

import sys
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer
from typer.main import get_command

from focusfix.cli.app import app

_HEAD = """\
# Command line

This page is made from the commands by `python -m focusfix.cli.reference`; change it there.

Results (paths, tables, JSON) go to stdout. Progress, notes, warnings and errors go to stderr:
progress is a bar on a terminal and otherwise a line now and then. `NO_COLOR` is respected.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | internal error; run again with `--debug` and report it |
| 2 | usage: the command line or a setting cannot be carried out |
| 3 | bad input: an image that cannot be used |
| 4 | a model, its checksum, a device or a runtime is not as it should be |
| 5 | out of memory, even with the smallest tiles |
| 6 | an output exists or cannot be written |
| 7 | some files of a batch failed, the others were done |
| 8 | a `--fail-under` threshold was not met |
| 130, 143 | interrupted (Ctrl-C) or terminated; nothing unfinished is left under an output's name |

## Where a setting comes from

Command line, then environment, then the file of `--config`, then the model card, then the default.
`--print-config` shows what is in effect and where it comes from, in the form that `--config` reads:

```toml
[deblur]
model = "fluorescence"
tile-size = 512
channel = [0, 2]
```

| variable | meaning |
|---|---|
| `FOCUSFIX_DEVICE` | default of `--device` |
| `FOCUSFIX_MODEL_PATH` | folders with more weights, separated like `PATH` |
| `FOCUSFIX_CACHE_DIR` | folder for fetched weights, instead of the user's cache |
"""


def write_reference() -> str:
    """Describe every command in Markdown.

    Returns
    -------
    str
        The whole page.
    """
    root = get_command(app)
    pages = [_HEAD, *_describe_tree(root, typer.Context(root, info_name="focusfix"))]
    return "\n".join(pages).rstrip() + "\n"


def _describe_tree(command: Any, context: typer.Context) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children:
        yield _describe(command, context)
    for name, child in children.items():
        child_context = typer.Context(child, info_name=name, parent=context)
        yield from _describe_tree(child, child_context)


def _describe(command: Any, context: typer.Context) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    pieces = [f"[{each.metavar}]..." if each.nargs == -1 else each.metavar for each in arguments]
    usage = " ".join([context.command_path, "[OPTIONS]", *pieces])
    examples = cleandoc(command.epilog).partition("Examples:\n")[2]
    lines = [
        f"## {context.command_path}",
        "",
        cleandoc(command.help),
        "",
        "```text",
        usage,
        "```",
        "",
        "```sh",
        *(line.strip() for line in examples.splitlines()),
        "```",
        "",
        "| option | meaning |",
        "|---|---|",
    ]
    lines += [f"| `{_name(each)}` | {_meaning(each)} |" for each in command.params]
    return "\n".join([*lines, ""])


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _cell(parameter.metavar)
    return _cell(" ".join(text for text in (", ".join(parameter.opts), parameter.metavar) if text))


def _meaning(parameter: Any) -> str:
    notes = [parameter.help]
    if parameter.envvar:
        notes.append(f"Environment: `{parameter.envvar}`.")
    if parameter.default is not None and parameter.default is not False:
        notes.append(f"Default: {parameter.default}.")
    return _cell(" ".join(notes))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(write_reference())
