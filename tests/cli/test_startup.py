"""Commands that need no network answer quickly and load no heavy library."""

import resource
import subprocess
import sys

import pytest

HEAVY = {"torch", "scipy", "skimage", "sklearn", "matplotlib", "jinja2", "openvino", "zarr"}
HEAVY |= {"click"}
SLOW = HEAVY | {"pydantic", "rich", "importlib.metadata"}
"""Modules that alone take about as long as all the work of a command without a network."""

SCRIPT = (
    "import sys; from focusfix.__main__ import main; code = main(sys.argv[1:]);"
    "print(*sys.modules, file=sys.stderr); sys.exit(code)"
)


@pytest.fixture
def load(program_environment):
    """Run a command; return the modules that it has loaded."""

    def run(*arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=program_environment,
        )
        return set(done.stderr.split())

    return run


def test_help_loads_nothing_heavy(load):
    assert not load("--help") & (SLOW | {"numpy", "tifffile", "platformdirs"})


@pytest.mark.parametrize("command", [["models", "list"], ["models", "path"], ["deblur", "--help"]])
def test_commands_about_models_load_no_network(load, command):
    assert not load(*command) & HEAVY


def test_lists_need_no_pixels(load):
    assert not load("models", "list") & (SLOW | {"numpy", "tifffile"})


def test_info_loads_no_network(load, stack):
    unneeded = {"platformdirs", "hashlib", "focusfix.cli.options", "focusfix.cli.focus_meter"}
    assert not load("info", str(stack)) & (SLOW | unneeded)


def test_a_command_loads_the_modules_of_no_other(load):
    loaded = load("models", "path")
    assert "focusfix.cli.models" in loaded
    assert not loaded & {"focusfix.cli.deblur", "focusfix.cli.train", "focusfix.cli.info"}


def test_commands_without_a_network_start_like_their_libraries(
    program_environment, stack, tmp_path
):
    """Processor time, which other work on the machine does not stretch; the best of five."""
    lines = {
        "bare": ("-c", "import typer, numpy, tifffile"),
        "help": ("-m", "focusfix", "--help"),
        "list": ("-m", "focusfix", "models", "list"),
        "info": ("-m", "focusfix", "info", str(stack)),
    }
    environment = {**program_environment, "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = {name: [] for name in lines}
    for _ in range(6):
        for name, line in lines.items():
            times[name].append(processor_seconds(line, environment))
    best = {name: min(taken[1:]) for name, taken in times.items()}
    assert max(best.values()) < 1.5 * best["bare"], best


def processor_seconds(line, environment):
    """Start Python and wait for its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *line], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed in /proc")
def test_numpy_leaves_the_processors_to_torch(program_environment):
    """The threads of OpenBLAS start when numpy is imported."""
    script = (
        "import os; from focusfix.__main__ import main; main(['--version']); import numpy;"
        "print(len(os.listdir('/proc/self/task')))"
    )
    decided = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={key: value for key, value in program_environment.items() if key not in decided},
    )
    assert done.stdout.splitlines()[-1] == "1"
