import re
from html.parser import HTMLParser

import numpy as np
import pytest

from focusfix.errors import OutputError, UsageError
from focusfix.report.charts import Chart, Series, draw_chart
from focusfix.report.examples import compose_example
from focusfix.report.figures import PAGE, PAPER, check_figure_name, inline_svg, save_figure
from focusfix.report.page import Card, Page, Section, Table, render_page, save_page

NASTY = '<script>alert("1")</script> & "quotes"'
VOID = {"meta", "img", "br", "input", "link"}


class Reader(HTMLParser):
    """Collects elements, ids and addresses, and checks that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.addresses.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page() -> Page:
    random = np.random.default_rng(0)
    truth = random.uniform(0, 1000, (80, 90, 1))
    images = {"input": truth + 50, "output": truth + 10, "reference": truth}
    chart = Chart(NASTY, "PSNR", [1, 2, 3], [Series("input", [1, 2, float("inf")])], [2])
    charts = [inline_svg(draw_chart(chart, PAGE), f"c{k}", NASTY) for k in range(2)]
    table = Table(["a", "gain"], [[NASTY, "+1.0"], ["b", "-1.0"], ["c", "-0.0"]], (1,))
    example = compose_example(NASTY, NASTY, images, trust=np.abs(random.normal(size=(80, 90, 1))))
    sections = [Section(NASTY, NASTY, NASTY, charts, [table], [example])]
    return Page(NASTY, NASTY, NASTY, [Card(NASTY, "1", "+1", "better")], sections)


def test_names_cannot_become_markup(page):
    reader = read(render_page(page))
    assert "script" not in reader.tags
    assert reader.text.count(NASTY) >= 8


def test_page_needs_nothing_else(page):
    text = render_page(page)
    reader = read(text)
    outside = [each for each in reader.addresses if not each.startswith(("data:", "#"))]
    assert outside == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "prefers-color-scheme: dark" in text


def test_charts_do_not_share_parts(page):
    reader = read(render_page(page))
    assert len(reader.ids) == len(set(reader.ids)) > 10
    wanted = {each.removeprefix("#") for each in reader.addresses if each.startswith("#")}
    assert wanted <= set(reader.ids)


def test_charts_follow_the_colours_of_the_page():
    chart = Chart("x", "y", [0, 1], [Series("input", [0, 1]), Series("output", [1, 0])], [0.5])
    text = inline_svg(draw_chart(chart, PAGE), "c", "what it shows")
    for name in ("ink", "grid", "input", "output", "reference"):
        assert f"var(--{name})" in text
    assert not re.search(r"#0[1-5]0000", text)
    assert 'aria-label="what it shows"' in text
    assert text == inline_svg(draw_chart(chart, PAGE), "c", "what it shows")


def test_gains_are_coloured_by_their_sign(page):
    text = render_page(page)
    assert '<td class="better">+1.0</td>' in text
    assert '<td class="worse">-1.0</td>' in text
    assert '<td class="">-0.0</td>' in text


def test_example_shows_all_on_one_scale():
    truth = np.linspace(0, 1000, 6400).reshape(80, 80, 1)
    example = compose_example("t", "n", {"output": 2 * truth, "reference": truth})
    assert [len(row.pictures) for row in example.rows] == [2, 2, 1]
    assert example.rows[1].scale.high == "999"
    assert example.rows[2].pictures[0].title == "output \N{MINUS SIGN} reference"
    rms = float(np.sqrt(np.mean(truth**2)))
    assert example.rows[2].pictures[0].note == f"RMS {rms:,.0f}"
    alone = compose_example("t", "n", {"image": truth})
    assert [len(row.pictures) for row in alone.rows] == [2]


@pytest.mark.parametrize("suffix", [".svg", ".PNG", ".pdf"])
def test_figures_in_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    check_figure_name(path, "--plot")
    save_figure(draw_chart(Chart("x", "y", [0, 1], [Series("image", [0, 1])]), PAPER), path)
    assert path.stat().st_size > 1000
    with pytest.raises(UsageError, match=r"not a\.gif"):
        check_figure_name(tmp_path / "a.gif", "--plot")


def test_page_that_cannot_be_written(tmp_path, page):
    save_page(page, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text("utf-8") == render_page(page)
    with pytest.raises(OutputError):
        save_page(page, tmp_path / "gone" / "a.html")
