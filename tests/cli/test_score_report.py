"""``focusfix score --report``: one page with everything that was measured."""

import hashlib
import re

import numpy as np
import pytest
import tifffile

from focusfix.cli.score_report import choose_planes

SHAPE = (60, 64)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Six planes whose planted errors gain 0 to 10 dB over the input."""
    monkeypatch.chdir(tmp_path)
    truth = np.random.default_rng(0).integers(1000, 3000, SHAPE).astype(np.uint16)
    for folder in ("out", "truth", "in"):
        (tmp_path / folder).mkdir()
    stack = {"imagej": True, "metadata": {"axes": "ZYX"}}
    errors = np.rint(100 / 10 ** (np.arange(6) / 10)).astype(np.uint16)
    tifffile.imwrite("out/z.tif", truth + errors[:, None, None], **stack)
    tifffile.imwrite("truth/z.tif", np.stack([truth] * 6), **stack)
    tifffile.imwrite("in/z.tif", np.stack([truth + 100] * 6).astype(np.uint16), **stack)
    return tmp_path


COMMAND = ("score", "out/z.tif", "--reference", "truth/z.tif", "--input", "in/z.tif")
COMMAND = (*COMMAND, "--data-range", "4095")


def pictures(text: str) -> int:
    return len(re.findall(r"<img ", text))


def test_page_holds_what_was_measured(run_cli, folders):
    done = run_cli(*COMMAND, "--report", "a.html")
    assert done.code == 0, done.err
    assert done.err.endswith("report: a.html\n")
    assert "psnr (dB)" in done.out
    text = (folders / "a.html").read_text("utf-8")
    assert "5 of 6 planes gained, 0 lost" in text
    assert "lowest PSNR gain: z.tif, Z=0" in text
    assert "highest PSNR gain: z.tif, Z=5" in text
    assert pictures(text) == 3 * (3 + 3 + 2)
    checksum = hashlib.sha256((folders / "truth" / "z.tif").read_bytes()).hexdigest()
    assert checksum in text
    assert "numpy" in text
    assert text.count("<svg") == 2  # PSNR and SSIM against z


def test_page_on_stdout(run_cli, folders):
    done = run_cli(*COMMAND, "--format", "html", "--report", "a.html")
    assert done.out.startswith("<!doctype html>")
    assert done.out.endswith("</html>\n")
    written = (folders / "a.html").read_text("utf-8")
    assert written.strip() == done.out.strip()


@pytest.mark.usefixtures("folders")
def test_page_without_a_reference(run_cli):
    done = run_cli("score", "out/z.tif", "--format", "html")
    assert done.out.startswith("<!doctype html>")
    assert pictures(done.out) == 2
    assert "sharpness (cycles per pixel)" in done.out
    assert "The sharpest plane is Z=" in done.out


@pytest.mark.usefixtures("folders")
def test_page_of_what_went_well(run_cli):
    tifffile.imwrite("out/b.tif", np.zeros((5, 5), np.uint8))
    tifffile.imwrite("truth/b.tif", np.zeros((5, 6), np.uint8))
    done = run_cli(
        "score", "out", "--reference", "truth", "--data-range", 4095, "--report", "a.html"
    )
    assert done.code == 7
    assert "report: a.html" in done.err
    done = run_cli("score", "out/b.tif", "--reference", "truth/b.tif", "--format", "html")
    assert (done.code, done.out) == (3, "")


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--report", "a.json"), 2, "--report writes an HTML page, not a.json"),
        (("--report", "gone/a.html"), 6, "gone does not exist"),
    ],
)
def test_reports_that_cannot_be_written(run_cli, options, code, words):
    done = run_cli(*COMMAND, *options)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


@pytest.mark.usefixtures("folders")
def test_a_page_is_not_printed_on_a_terminal(run_cli, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    done = run_cli(*COMMAND, "--format", "html")
    assert done.code == 2
    assert "which a terminal does not show" in done.err


def test_all_of_a_few_planes_are_shown():
    planes = [{"scores": {"psnr": float(k)}} for k in (3, 1, 2)]
    assert [each[2] for each in choose_planes([{"planes": planes}])] == [0, 1, 2]


def test_of_many_planes_the_extremes_and_the_median_are_shown():
    planes = [{"scores": {"psnr": 9.0, "psnr_gain": gain}} for gain in (3.0, -1.0, 2.0, 9.0, 5.0)]
    chosen = choose_planes([{"planes": planes[:2]}, {"planes": planes[2:]}])
    gains = [record["planes"][at]["scores"]["psnr_gain"] for _, record, at in chosen]
    assert gains == [-1.0, 3.0, 9.0]
    assert [why for why, _, _ in chosen] == [
        "lowest PSNR gain: ",
        "median PSNR gain: ",
        "highest PSNR gain: ",
    ]
