"""House rules that no linter knows: sizes, names, forbidden imports, examples that run."""

import ast
import doctest
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "focusfix"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [path.relative_to(SOURCE).as_posix() for path in FILES]

LONGEST_FUNCTION = 40
LONGEST_MODULE = 300
NAMELESS = {"utils", "util", "helpers", "helper", "common", "core", "misc"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
TORCH_FREE = (
    "cli/",
    "io/",
    "engine/",
    "classical/",
    "config.py",
    "errors.py",
    "footprint.py",
    "__main__.py",
)
TORCH_FREE_FILES = [
    name
    for name in NAMES
    if name.startswith(TORCH_FREE) or name in {"models/entries.py", "models/registry.py"}
]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@cache
def parse(name: str) -> ast.Module:
    return ast.parse((SOURCE / name).read_text(encoding="utf-8"))


def docstring_lines(node: Documented) -> set[int]:
    if ast.get_docstring(node, clean=False) is None:
        return set()
    first = node.body[0]
    return set(range(first.lineno, (first.end_lineno or first.lineno) + 1))


def function_length(node: Function) -> int:
    """Count lines from the signature to the end, without docstrings."""
    lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for inner in ast.walk(node):
        if isinstance(inner, Documented):
            lines -= docstring_lines(inner)
    return len(lines)


def module_length(name: str) -> int:
    """Count lines that are neither blank nor comments nor docstrings."""
    tree = parse(name)
    documentation = set()
    for node in ast.walk(tree):
        if isinstance(node, Documented):
            documentation |= docstring_lines(node)
    lines = (SOURCE / name).read_text(encoding="utf-8").splitlines()
    return sum(
        number not in documentation and bool(line.strip()) and not line.strip().startswith("#")
        for number, line in enumerate(lines, 1)
    )


def imported_modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def module_level_imports(body: list[ast.stmt]) -> Iterator[str]:
    """Imports that run when the module is imported; not those for type checkers."""
    for node in body:
        yield from imported_modules(node)
        if isinstance(node, ast.If) and not ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from module_level_imports(node.body + node.orelse)
        elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
            yield from module_level_imports(node.body)


@pytest.mark.parametrize("name", NAMES)
def test_functions_fit_on_a_screen(name: str) -> None:
    functions = [node for node in ast.walk(parse(name)) if isinstance(node, Function)]
    lengths = {f"{node.name} (line {node.lineno})": function_length(node) for node in functions}
    assert {key: n for key, n in lengths.items() if n > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("name", NAMES)
def test_modules_have_one_subject(name: str) -> None:
    assert module_length(name) <= LONGEST_MODULE


@pytest.mark.parametrize("name", NAMES)
def test_modules_are_named_after_something(name: str) -> None:
    assert not NAMELESS & {part.removesuffix(".py") for part in name.split("/")}


@pytest.mark.parametrize("name", NAMES)
def test_no_pickle_is_ever_opened(name: str) -> None:
    for node in ast.walk(parse(name)):
        roots = {module.partition(".")[0] for module in imported_modules(node)}
        assert not UNSAFE_MODULES & roots
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"torch.load", "torch.jit.load", "torch.hub.load"}
            assert "allow_pickle" not in {keyword.arg for keyword in node.keywords}


@pytest.mark.parametrize("name", TORCH_FREE_FILES)
def test_rooms_without_torch_do_not_import_it(name: str) -> None:
    roots = {module.partition(".")[0] for module in module_level_imports(parse(name).body)}
    assert "torch" not in roots


def test_no_room_without_torch_imports_one_that_has_it() -> None:
    modules = [module_name(name) for name in TORCH_FREE_FILES]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    script += "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    command = [sys.executable, "-c", script, *modules]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def module_name(name: str) -> str:
    parts = ("focusfix", *name.removesuffix(".py").split("/"))
    return ".".join(part for part in parts if part != "__init__")


WITH_EXAMPLES = [name for name in NAMES if ">>>" in (SOURCE / name).read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(module_name(name))
    outcome = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_rules_find_what_they_look_for() -> None:
    long = "def f():\n" + '    """Doc.\n\n    More.\n    """\n' + "    x = 1\n" * 41
    node = ast.parse(long).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert function_length(node) == 42
    guarded = (
        "if TYPE_CHECKING:\n    import torch\ntry:\n    import numpy\nexcept ImportError: ...\n"
    )
    assert set(module_level_imports(ast.parse(guarded).body)) == {"numpy"}
