"""Inputs and outputs of a batch, settled before any work."""

import io
import os
from pathlib import Path

import pytest

from focusfix.errors import FocusfixError, InputError, OutputError, UsageError
from focusfix.io.batch import Job, plan_batch
from focusfix.io.inputs import expand_inputs
from focusfix.io.naming import image_stem

pytestmark = pytest.mark.usefixtures("plate")


@pytest.fixture
def plate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("plate/a.tif", "plate/b.c.d.tif", "plate/e.ome.tif", "plate/f.PNG",
                 "plate/notes.txt", "plate/.hidden.tif", "other/a.tif", "other/g.jpg"):  # fmt: skip
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(name.encode())
    return tmp_path


def names(jobs):
    return [(str(job.source), str(job.target)) for job in jobs]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.tif", "a"),
        ("plate/a.b.c.tif", "a.b.c"),
        ("a.ome.tif", "a"),
        ("a.b.OME.TIFF", "a.b"),
        ("a.ome.png", "a.ome"),
        ("v1.2", "v1.2"),
        ("a.czi", "a.czi"),
        (".tif", ".tif"),
        (".ome.tif", ".ome"),
        ("a.tar.btf", "a.tar"),
    ],
)
def test_dots_inside_names_are_kept(name, stem):
    assert image_stem(name) == stem


def test_one_input_one_output():
    assert names(plan_batch(["plate/a.tif"], "out.tif")) == [("plate/a.tif", "out.tif")]


def test_an_existing_folder_takes_one_input_under_its_name():
    assert plan_batch(["plate/a.tif"], "other", overwrite=True) == [
        Job(Path("plate/a.tif"), Path("other/a.tif"))
    ]


def test_a_name_with_a_slash_is_a_folder():
    assert names(plan_batch(["plate/a.tif"], "new/")) == [("plate/a.tif", "new/a.tif")]
    assert Path("new").is_dir()


def test_a_folder_gives_its_images_in_order():
    assert names(plan_batch(["plate"], "out")) == [
        ("plate/a.tif", "out/a.tif"),
        ("plate/b.c.d.tif", "out/b.c.d.tif"),
        ("plate/e.ome.tif", "out/e.ome.tif"),
        ("plate/f.PNG", "out/f.tif"),
    ]
    assert Path("out").is_dir()


def test_a_pattern_chooses_files_of_a_folder():
    assert names(plan_batch(["plate"], "out", pattern="*.ome.tif")) == [
        ("plate/e.ome.tif", "out/e.ome.tif")
    ]
    assert [str(path) for path in expand_inputs(["."], pattern="**/a.tif")] == [
        "other/a.tif",
        "plate/a.tif",
    ]


def test_globs_are_expanded(plate):
    assert [str(path) for path in expand_inputs(["plate/*.tif", "o*/*.jpg"])] == [
        "plate/a.tif",
        "plate/b.c.d.tif",
        "plate/e.ome.tif",
        "other/g.jpg",
    ]
    assert [path.name for path in expand_inputs([f"{plate}/**/a.tif"])] == ["a.tif", "a.tif"]


def test_names_with_the_signs_of_globs_are_taken_as_they_are():
    Path("x[1].tif").write_bytes(b"")
    assert expand_inputs(["x[1].tif"]) == [Path("x[1].tif")]


def test_an_input_named_twice_is_done_once():
    assert expand_inputs(["plate/a.tif", "plate", "./plate/a.tif"])[:2] == [
        Path("plate/a.tif"),
        Path("plate/b.c.d.tif"),
    ]


@pytest.mark.parametrize(
    ("template", "target"),
    [
        ("out/{stem}_sharp.tif", "out/b.c.d_sharp.tif"),
        ("out/{name}.tif", "out/b.c.d.tif.tif"),
        ("{parent}_out/{stem}.tif", "plate_out/b.c.d.tif"),
    ],
)
def test_templates(template, target):
    jobs = plan_batch(["plate/b.c.d.tif", "plate/a.tif"], template)
    assert str(jobs[0].target) == target
    assert jobs[0].target.parent.is_dir()


@pytest.mark.parametrize("template", ["{}.tif", "{stm}.tif", "{stem.tif", "{stem}}.tif", "{0}.tif"])
def test_wrong_templates_are_refused(template):
    with pytest.raises(UsageError, match="template"):
        plan_batch(["plate/a.tif"], template)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_from_a_list(newline, monkeypatch):
    text = newline.join(["plate/a.tif", "", "  other/g.jpg  "]) + newline
    Path("list.txt").write_bytes(text.encode())
    expected = [("plate/a.tif", "out/a.tif"), ("other/g.jpg", "out/g.tif")]
    assert names(plan_batch([], "out", files_from="list.txt")) == expected
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert names(plan_batch([], "out", files_from="-")) == expected


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (["no.tif"], "no.tif does not exist"),
        (["no*.tif"], "No file matches no"),
        (["empty"], "No file in empty"),
        (["plate/a.tif", "no.tif"], "no.tif does not exist"),
    ],
)
def test_inputs_that_are_not_there(inputs, words):
    Path("empty").mkdir()
    with pytest.raises(InputError, match=words):
        plan_batch(inputs, "out")
    assert not Path("out").exists()


def test_no_file_fits_the_pattern():
    with pytest.raises(InputError, match=r"matches \*\.lsm"):
        plan_batch(["plate"], "out", pattern="*.lsm")


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe\x00\x81"])
def test_lists_that_cannot_be_used(content):
    if content is not None:
        Path("list.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"list\.txt"):
        plan_batch([], "out", files_from="list.txt")


def test_no_input_at_all():
    with pytest.raises(UsageError, match="No input"):
        plan_batch([], "out")


def test_two_inputs_with_one_output_are_named():
    with pytest.raises(UsageError) as info:
        plan_batch(["plate/a.tif", "other/a.tif"], "out")
    assert "plate/a.tif and other/a.tif would both be written to out/a.tif" in info.value.cause
    assert not Path("out").exists()


def test_outputs_collide_under_other_spellings_too():
    Path("out").mkdir()
    with pytest.raises(UsageError, match="would both"):
        plan_batch(["plate/a.tif", "other/a.tif"], "out/../out/{stem}.tif")


@pytest.mark.parametrize("inputs", [["plate"], ["plate/a.tif", "other/g.jpg"], ["plate/*.tif"]])
def test_several_inputs_need_a_folder_or_template(inputs):
    with pytest.raises(UsageError, match="names one file"):
        plan_batch(inputs, "out.tif")


def link_hard(source, target):
    os.link(source, target)


def link_soft(source, target):
    target.symlink_to(source.absolute())


@pytest.mark.parametrize("link", [link_hard, link_soft])
def test_inputs_are_never_replaced_even_through_links(link):
    link(Path("plate/a.tif"), Path("alias.tif"))
    for output in ("plate/a.tif", "plate/../plate/a.tif", "alias.tif"):
        with pytest.raises(OutputError, match=r"is the input plate.a\.tif"):
            plan_batch(["plate/a.tif"], output, overwrite=True)


def test_a_folder_is_not_its_own_output():
    with pytest.raises(OutputError, match="is the input"):
        plan_batch(["plate"], "plate", overwrite=True, pattern="*.tif")


def test_an_output_that_is_another_input_is_refused():
    Path("plate/a_2.tif").write_bytes(b"")
    with pytest.raises(OutputError, match=r"is the input plate.a_2\.tif"):
        plan_batch(["plate/a.tif", "plate/a_2.tif"], "plate/{stem}_2.tif", overwrite=True)


def test_existing_outputs_are_listed():
    Path("out").mkdir()
    for at in range(7):
        Path(f"plate/m{at}.tif").write_bytes(b"")
        Path(f"out/m{at}.tif").write_bytes(b"")
    with pytest.raises(OutputError) as info:
        plan_batch(["plate/m*.tif"], "out")
    assert "out/m0.tif, out/m1.tif" in info.value.cause
    assert "and 2 more exist already" in info.value.cause
    assert len(plan_batch(["plate/m*.tif"], "out", overwrite=True)) == 7


def test_existing_outputs_are_skipped_on_demand():
    Path("out").mkdir()
    Path("out/a.tif").write_bytes(b"")
    jobs = plan_batch(["plate/*.tif"], "out", skip_existing=True)
    assert [job.source.name for job in jobs] == ["b.c.d.tif", "e.ome.tif"]
    assert plan_batch(["plate/a.tif"], "out/a.tif", skip_existing=True) == []


def test_overwrite_and_skip_exclude_each_other():
    with pytest.raises(UsageError, match="exclude"):
        plan_batch(["plate/a.tif"], "out.tif", overwrite=True, skip_existing=True)


@pytest.mark.parametrize("output", ["no/out.tif", "plate/a.tif/out.tif", "out.czi", "out"])
def test_an_output_that_cannot_be_written(output):
    with pytest.raises(OutputError):
        plan_batch(["other/a.tif"], output)


def test_an_output_folder_that_cannot_be_made():
    with pytest.raises(OutputError, match="cannot be created"):
        plan_batch(["plate"], "plate/a.tif/out")


def test_a_folder_without_permission(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written to"):
        plan_batch(["plate"], "out")


def test_all_errors_are_messages_for_the_user():
    with pytest.raises(FocusfixError) as info:
        plan_batch(["no.tif"], "out.tif")
    assert info.value.fix
