"""The adapter to tifffile: both generations of its interface, and its messages."""

import contextlib
import logging

import numpy as np
import pytest
import tifffile

from focusfix.errors import InputError
from focusfix.io import tiff


class OlderWriter:
    def __init__(self, _, *, bigtiff=False, imagej=False, ome=None, shaped=None):
        self.given = {"bigtiff": bigtiff, "imagej": imagej, "ome": ome, "shaped": shaped}


class NewerWriter:
    def __init__(self, _, *, bigtiff=False, kind=None, imagej=None, ome=None, shaped=None):
        assert imagej is ome is shaped is None, "deprecated"
        self.given = {"bigtiff": bigtiff, "kind": kind}


@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_both_generations_are_asked_in_their_own_words(tmp_path, monkeypatch, kind, bigtiff):
    flags = {name: name == kind for name in ("imagej", "ome", "shaped")}
    newer = {"kind": "generic" if kind == "plain" else kind}
    for writer, expected in ((OlderWriter, flags), (NewerWriter, newer)):
        monkeypatch.setattr(tifffile, "TiffWriter", writer)
        opened = tiff.open_writer(tmp_path / "a.tif", kind, bigtiff=bigtiff)
        assert opened.given == {"bigtiff": bigtiff, **expected}


def test_every_kind_is_one_that_this_tifffile_knows(tmp_path):
    for kind in ("imagej", "ome", "plain"):
        path = tmp_path / f"{kind}.tif"
        with tiff.open_writer(path, kind, bigtiff=False) as writer:
            words = {"metadata": None} if kind == "plain" else {}
            writer.write(np.zeros((2, 20, 30), "uint8"), photometric="minisblack", **words)
        with tifffile.TiffFile(path) as tif:
            found = tif.series[0].kind
            assert found == kind or (kind == "plain" and found in ("uniform", "generic"))


def test_nothing_is_printed_about_damaged_files(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 20, 30), "uint8"), photometric="minisblack")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data.replace(b'"shape": [2,', b'"shape": [9,'))
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with contextlib.suppress(InputError):
            tiff.read_layout(tmp_path / "a.tif")
    finally:
        root.handlers = handlers
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_an_unreadable_compression_is_named(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((20, 30), "uint8"), compression="deflate")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["Compression"].overwrite(34661)  # JBIG
    stored, _ = tiff.read_layout(path)
    assert stored.compression == "jbig"
