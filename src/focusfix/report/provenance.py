"""What a report says of how it was made: command, versions, checksums of the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from focusfix import __version__
from focusfix.io.checksums import file_sha256, stored_bytes
from focusfix.report.page import Section, Table

_LIBRARIES = ("numpy", "scipy", "scikit-image", "matplotlib", "tifffile", "imagecodecs")


@dataclass(frozen=True)
class Provenance:
    """How a report came about.

    Parameters
    ----------
    command : str
        Command line.
    made : str
        Date and time.
    facts : sequence of (str, str)
        Settings, and where they come from.
    files : sequence of Path
        All files that were read.
    """

    command: str
    made: str
    facts: Sequence[tuple[str, str]]
    files: Sequence[Path]


def provenance_section(provenance: Provenance) -> Section:
    """Lay out how a report came about; reads every file for its checksum.

    Parameters
    ----------
    provenance : Provenance
        What is known.

    Returns
    -------
    Section
    """
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    facts = [
        ("command", provenance.command),
        ("made", provenance.made),
        *provenance.facts,
        ("focusfix", __version__),
        ("Python", python_version()),
        ("libraries", libraries),
    ]
    files = list(dict.fromkeys(provenance.files))
    sums = [(str(path), f"{stored_bytes(path):,}", file_sha256(path)) for path in files]
    return Section(
        "How this was measured",
        tables=[
            Table((), facts, text_columns=2),
            Table(("file", "bytes", "SHA-256"), sums, folded=f"checksums of {len(sums)} files"),
        ],
        note="What each number sees, and what it does not see, is explained in the "
        "documentation of focusfix under Metrics.",
    )
