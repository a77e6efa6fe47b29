"""A report as one HTML file that needs nothing else: no network, no scripts, no other files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix import __version__
from focusfix.io.atomic import partial_file

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Card:
    """A number to see first.

    Parameters
    ----------
    title, value, note : str
        What it is, its value with the unit, and what to compare it with.
    mood : {"better", "worse", ""}
        Colour of the note.
    """

    title: str
    value: str
    note: str = ""
    mood: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Parameters
    ----------
    titles : sequence of str
        One for each column; none for a table of facts.
    rows : sequence of sequence of str
        Cells.
    signed : sequence of int
        Columns in which plus is better and minus worse.
    text_columns : int
        How many columns, from the first, hold text: 1 or 2.
    hints : bool
        Whether the second column can be left out where there is no room.
    folded : str
        Title of a table that opens on a click; empty to show it at once.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    signed: Sequence[int] = ()
    text_columns: int = 1
    hints: bool = False
    folded: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Parameters
    ----------
    title, note : str
        Caption.
    source : str
        Data URI.
    width, height : int
        Pixels.
    box : str
        Style of a frame drawn over it; empty for none.
    enlarged : bool
        Whether single pixels are to be seen.
    """

    title: str
    note: str
    source: str
    width: int
    height: int
    box: str = ""
    enlarged: bool = False


@dataclass(frozen=True)
class ColourScale:
    """What the colours of a row of pictures mean.

    Parameters
    ----------
    low, high : str
        Values at the ends.
    colours : str
        Colours from low to high, as in a style sheet.
    note : str
        Unit, and how the ends were chosen.
    """

    low: str
    high: str
    colours: str
    note: str


@dataclass(frozen=True)
class PictureRow:
    """Pictures to compare.

    Parameters
    ----------
    pictures : sequence of Picture
        Shown beside each other.
    scale : ColourScale, optional
        Of all of them.
    """

    pictures: Sequence[Picture]
    scale: ColourScale | None = None


@dataclass(frozen=True)
class Example:
    """One plane in pictures.

    Parameters
    ----------
    title, note : str
        Which plane, and its scores.
    rows : sequence of PictureRow
        From top to bottom.
    """

    title: str
    note: str
    rows: Sequence[PictureRow]


@dataclass(frozen=True)
class Section:
    """Part of a page.

    Parameters
    ----------
    title, text, note : str
        Heading, what comes before the content, and what comes after it.
    charts : sequence of str
        Elements from :func:`focusfix.report.figures.inline_svg`.
    tables : sequence of Table
        Below the charts.
    examples : sequence of Example
        Below the tables.
    """

    title: str
    text: str = ""
    note: str = ""
    charts: Sequence[str] = ()
    tables: Sequence[Table] = ()
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Page:
    """Content of a report.

    Parameters
    ----------
    title, subtitle, verdict : str
        What was measured, how, and what came out in one sentence.
    cards : sequence of Card
        Below the verdict.
    sections : sequence of Section
        From top to bottom.
    version : str
        Of focusfix.
    """

    title: str
    subtitle: str
    verdict: str
    cards: Sequence[Card]
    sections: Sequence[Section]
    version: str = __version__


def render_page(page: Page) -> str:
    """Write a page as HTML; everything but the charts is taken as text, not as markup.

    Parameters
    ----------
    page : Page
        Content.

    Returns
    -------
    str
        A whole document.
    """
    return _template().render(page=page)


def save_page(page: Page, path: Path) -> None:
    """Write a page to a file, which appears when it is complete.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = render_page(page)
    with partial_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sign_mood(text: str) -> str:
    """Say whether a gain is better or worse than nothing; "" for none.

    Examples
    --------
    >>> sign_mood("+1.30"), sign_mood("-0.02"), sign_mood("+0.00"), sign_mood("-")
    ('better', 'worse', '', '')
    """
    if not text.strip("+-0."):
        return ""
    return {"+": "better", "-": "worse"}.get(text[:1], "")


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mood"] = sign_mood
    return environment.get_template(_TEMPLATE)
