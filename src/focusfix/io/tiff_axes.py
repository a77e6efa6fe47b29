"""Which stored dimension of a TIFF is which axis of the image, and in which order it is shown."""

from pathlib import Path

from focusfix.errors import InputError
from focusfix.io.axis_map import AxisMap
from focusfix.io.tiff_layout import StoredSeries

AXIS_LETTERS = "TZCYXS"


def map_axes(path: Path, stored: StoredSeries, axes: str | None) -> AxisMap:
    """Name the stored dimensions and put them in the order in which planes are shown.

    Y, X and the colour samples come last. The planes of an ImageJ file come in the order T, Z, C,
    the only one ImageJ writes. Everything else keeps the order of the file. Dimensions that the
    file does not name are never guessed: they stay a plain series of planes.

    Parameters
    ----------
    path : Path
        File, for messages.
    stored : StoredSeries
        Layout of the file.
    axes : str, optional
        Letters that the user gives instead of those of the file.

    Returns
    -------
    AxisMap
        Letters and stored dimensions in the order shown.

    Raises
    ------
    InputError
        If the letters given do not fit, or the file has no Y and X.
    """
    notes: list[str] = []
    if axes is not None:
        letters = _given_letters(path, stored, axes)
    else:
        letters = _file_letters(stored, notes)
    if letters.count("Y") != 1 or letters.count("X") != 1:
        raise InputError(
            f"{path} has axes {letters} of shape {stored.shape}, without one Y and one X.",
            "Name its axes with --axes, for example --axes ZYX.",
        )
    order = _shown_order(letters, sort_planes=stored.kind == "imagej" and axes is None)
    shown = "".join(letters[dimension] for dimension in order)
    if shown != letters:
        notes.append(f"the axes {letters} of the file are read and written in the order {shown}")
    unknown = sorted({letter for letter in shown if letter not in AXIS_LETTERS})
    if unknown:
        notes.append(
            f"the meaning of axis {', '.join(unknown)} is not stated in the file: its planes are "
            "taken one by one (name the axes with --axes)"
        )
    return AxisMap(shown, order, tuple(notes))


def _given_letters(path: Path, stored: StoredSeries, axes: str) -> str:
    letters = axes.upper()
    wrong = [letter for letter in letters if letter not in AXIS_LETTERS]
    if wrong or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise InputError(
            f"The axes {axes} given for {path} are not valid.",
            "Use Y, X and any of T, Z, C, S, each once.",
        )
    if len(letters) != len(stored.shape):
        raise InputError(
            f"The axes {axes} do not fit {path}, whose shape is {stored.shape} ({stored.axes}).",
            f"Give {len(stored.shape)} letters, one for each dimension.",
        )
    if "S" in letters and stored.shape[letters.index("S")] not in (1, 3, 4):
        raise InputError(
            f"The axes {axes} give {path} of shape {stored.shape} "
            f"{stored.shape[letters.index('S')]} colour samples.",
            "S is for RGB or RGBA, of size 3 or 4; name channels C.",
        )
    return letters


def _file_letters(stored: StoredSeries, notes: list[str]) -> str:
    letters = stored.axes.upper()
    if "S" not in letters:
        return letters
    size = stored.shape[letters.index("S")]
    if size == 1 or (stored.photometric == "rgb" and size in (3, 4)):
        return letters
    replacement = "Q" if "C" in letters else "C"
    notes.append(f"the {size} samples of each pixel are no colours and are taken as channels")
    return letters.replace("S", replacement)


def _shown_order(letters: str, *, sort_planes: bool) -> tuple[int, ...]:
    planes = [at for at, letter in enumerate(letters) if letter not in "YXS"]
    if sort_planes:
        planes.sort(key=lambda at: "TZC".find(letters[at]))
    image = [letters.index(letter) for letter in "YXS" if letter in letters]
    return (*planes, *image)
