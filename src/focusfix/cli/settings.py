"""Where an option's value comes from: command line, environment, file, model card, default.

Typer asks the command line, the environment and then a map of defaults, in this order; the file
of ``--config`` becomes that map. Options that a model card can decide have the default ``auto``.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from focusfix.errors import UsageError

_NOT_SETTINGS = frozenset(
    {"config", "print_config", "help", "inputs", "sharper_image", "blurrier_image"}
)
_ORIGINS = {
    "COMMANDLINE": "command line",
    "ENVIRONMENT": "environment",
    "DEFAULT_MAP": "file",
    "DEFAULT": "default",
}


def load_config(context: typer.Context, value: Path | None) -> Path | None:
    """Make the tables of a TOML file the defaults of a command; the callback of ``--config``.

    Parameters
    ----------
    context : typer.Context
        Of the command that is being parsed.
    value : Path, optional
        The file.

    Returns
    -------
    Path or None
        ``value``.

    Raises
    ------
    UsageError
        If the file cannot be read or parsed, or holds an unknown table or key.
    """
    if value is None:
        return None
    document = _read_toml(value)
    root = context.find_root().command
    commands: Mapping[str, Any] = getattr(root, "commands", {})
    for table, entries in document.items():
        if table not in commands:
            raise _unknown(value, f"table [{table}]", table, sorted(commands))
        if not isinstance(entries, dict):
            raise UsageError(
                f"{value}: {table} must be a table.", f"Write [{table}] above its options."
            )
        _check_keys(value, table, entries, commands[table])
    chosen = document.get(str(context.info_name), {})
    context.default_map = {_parameter(key): _as_typed(entry) for key, entry in chosen.items()}
    return value


def format_config(context: typer.Context) -> str:
    """Write the options in effect as a file that ``--config`` reads, each with its origin.

    Parameters
    ----------
    context : typer.Context
        Of the command, after parsing.

    Returns
    -------
    str
        A TOML table named after the command; options without a value are comments.
    """
    lines = [f"[{context.info_name}]"]
    for name in (parameter.name for parameter in context.command.params):
        if name in _NOT_SETTINGS:
            continue
        value = context.params[name]
        source = context.get_parameter_source(name)
        origin = _ORIGINS.get(source.name if source else "DEFAULT", "default")
        key = name.replace("_", "-")
        if value is None or (isinstance(value, list | tuple) and not value):
            lines.append(f"# {key} is not set")
        else:
            lines.append(f"{key} = {_as_toml(value)}  # {origin}")
    return "\n".join(lines)


def setting_names(command: Any) -> list[str]:
    """List the options of a command that a config file may hold, in kebab-case."""
    names = [parameter.name for parameter in command.params]
    return sorted(name.replace("_", "-") for name in names if name not in _NOT_SETTINGS)


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Give --config a TOML file that exists.",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{path} is not valid TOML: {error}.", "Compare it with --print-config."
        ) from error


def _check_keys(path: Path, table: str, entries: Mapping[str, Any], command: Any) -> None:
    known = setting_names(command)
    for key in entries:
        if key not in known:
            raise _unknown(path, f"option {key!r} in [{table}]", key, known)


def _unknown(path: Path, what: str, key: str, known: list[str]) -> UsageError:
    close = get_close_matches(key, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."
    return UsageError(f"{path}: unknown {what}.", hint)


def _parameter(key: str) -> str:
    return key.replace("-", "_")


def _as_typed(entry: Any) -> Any:
    """Give numbers as the text they would be on the command line, which is parsed once more."""
    if isinstance(entry, bool):
        return entry
    if isinstance(entry, list):
        return [_as_typed(item) for item in entry]
    return str(entry)


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_as_toml(item) for item in value)}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
