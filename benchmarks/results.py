"""Where benchmarks put what they measured: ``RESULTS.md`` for people, ``figures.json`` for others.

Each benchmark owns one section and replaces it; every section describes the machine it was
measured on.
"""

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FIGURES = "figures.json"
_LIBRARIES = ("torch", "numpy", "tifffile", "imagecodecs", "openvino", "zarr")
_HEAD = """\
# Measured speed and memory

This page is written by `make bench`; each section by one command, which is named in it. Times are
medians of several rounds after a warm-up; what is compared takes turns, and ratios are taken within
a round. Other programs disturb the seconds, the ratios less, and processor time least.
"""


def add_options(parser: argparse.ArgumentParser, *, repeats: int) -> None:
    """Add the options that all benchmarks share."""
    parser.add_argument("--warm-up", type=int, default=1, help="rounds that are not counted")
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds that are")
    add_results_option(parser)


def add_results_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where results go."""
    parser.add_argument(
        "--results", type=Path, metavar="FILE.md",
        help=f"replace the section of this benchmark there, and its figures in {FIGURES} beside",
    )  # fmt: skip


def publish(
    results: Path | None,
    title: str,
    command: str,
    lines: Sequence[str],
    figures: Mapping[str, float],
) -> None:
    """Print what was measured, and write it where the user wants it.

    Parameters
    ----------
    results : Path, optional
        Page to change; only printed when not given.
    title : str
        Heading of the section.
    command : str
        What was run, without folders of this machine.
    lines : sequence of str
        Markdown.
    figures : mapping of str to float
        What other commands may build upon.
    """
    print("\n".join(lines), flush=True)
    if results is None:
        return
    machine = describe_machine()
    text = "\n".join([f"`{command}`", "", *lines, "", f"Measured on {machine}."])
    page = results.read_text(encoding="utf-8") if results.exists() else _HEAD
    results.write_text(replace_section(page, title, text), encoding="utf-8")
    path = results.with_name(FIGURES)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[title] = {"machine": machine, "figures": dict(figures)}
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def replace_section(page: str, title: str, text: str) -> str:
    """Put text under a heading of the second level, at the end where there is none like it.

    Parameters
    ----------
    page, title, text : str
        Markdown; the heading without its marks.

    Returns
    -------
    str
        The page.
    """
    head, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    bodies = dict(section.split("\n", 1) for section in sections)
    bodies[title] = f"\n{text.strip()}\n"
    parts = [f"## {name}\n\n{body.strip()}\n" for name, body in bodies.items()]
    return "\n".join([head.rstrip() + "\n", *parts])


def replace_marked(page: str, script: str, lines: Sequence[str]) -> str:
    """Put text between the marks of a script, which a page of the documentation has.

    Parameters
    ----------
    page : str
        Markdown with two comments, ``<!-- SCRIPT: begin -->`` and ``<!-- SCRIPT: end -->``.
    script : str
        Name of the file that makes the text.
    lines : sequence of str
        The text.

    Returns
    -------
    str
        The page.

    Raises
    ------
    ValueError
        If the marks are not there.
    """
    begin, end = f"<!-- {script}: begin -->", f"<!-- {script}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", flags=re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no marks for what {script} makes")
    return pattern.sub(lambda _: "\n".join([begin, "", *lines, "", end]), page)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lay a table out in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]


def describe_machine() -> str:
    """Describe processor, memory, accelerator and versions; nothing that tells whose it is."""
    facts = [
        _processor(),
        f"{_n_cores()} of {os.cpu_count()} cores",
        f"{_memory_gib():.0f} GiB of memory",
        *_accelerator(),
    ]
    kernel = f"{platform.system()} {platform.machine()}"
    names = ", ".join([f"Python {platform.python_version()}", *_versions()])
    load = f"load of the system {os.getloadavg()[0]:.1f}"
    if os.getloadavg()[0] > _n_cores():
        load += " from other programs, so that only processor time says much"
    when = datetime.now(UTC).date().isoformat()
    return f"{', '.join(facts)}; {kernel}; {names}; {when}, {load}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, flags=re.MULTILINE)
    sets = set(flags.group(1).split()) if flags else set()
    known = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in sets]
    name = found.group(1).strip() if found else platform.processor() or "unknown processor"
    return f"{name} ({', '.join(known)})" if known else name


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def _accelerator() -> list[str]:
    torch = sys.modules.get("torch")  # a benchmark that did not load it used no accelerator
    return [torch.cuda.get_device_name(0)] if torch and torch.cuda.is_available() else []


def _versions() -> list[str]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
