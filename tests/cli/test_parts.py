"""``--num-parts`` and ``--part-id``: jobs of an array that share the inputs without talking."""

import json

import pytest
import tifffile

BLUR = ("synthesize-blur", "--pixel-size-um", 0.5)


@pytest.fixture
def folder(tmp_path, draw_nuclei):
    """Seven images."""
    place = tmp_path / "plate"
    place.mkdir()
    for seed in range(7):
        tifffile.imwrite(place / f"{seed}.tif", draw_nuclei((24, 20), seed=seed))
    return place


def test_parts_do_every_file_once(run_cli, folder, tmp_path):
    done = [
        run_cli(
            *BLUR, folder, "--dz-um", 2, "-o", tmp_path / "out", "--num-parts", 3, "--part-id", part
        )
        for part in range(3)
    ]
    assert [each.code for each in done] == [0, 0, 0]
    counts = [len(each.out.splitlines()) for each in done]
    assert sorted(counts) == [2, 2, 3]
    assert len({line for each in done for line in each.out.splitlines()}) == 7
    assert "part 1 of 3, counted from 0: 2 files to do" in done[1].err


def test_a_part_stays_the_same_when_outputs_appear(run_cli, folder, tmp_path):
    part = (
        *BLUR, folder, "--dz-um", 2, "-o", tmp_path / "out",
        "--num-parts", 2, "--part-id", 1, "--skip-existing",
    )  # fmt: skip
    made = run_cli(*part).out.splitlines()
    (tmp_path / "out" / "0.tif").write_bytes((tmp_path / "out" / "1.tif").read_bytes())
    (tmp_path / "out" / "3.tif").unlink()
    assert run_cli(*part).out.splitlines() == [made[1]]


def test_more_parts_than_files(run_cli, folder, tmp_path):
    done = run_cli(
        *BLUR, folder, "--dz-um", 2, "-o", tmp_path / "out", "--num-parts", 9, "--part-id", 8
    )
    assert (done.code, done.out) == (0, "")
    assert "part 8 of 9, counted from 0: 0 files to do" in done.err


def test_report_says_which_part_and_a_lone_bad_file_is_part_of_a_batch(run_cli, folder, tmp_path):
    (folder / "0.tif").write_text("not an image")
    report = tmp_path / "report.json"
    done = run_cli(
        "deblur", folder, "-m", "unsharp", "-o", tmp_path / "out", "--report", report,
        "--num-parts", 7, "--part-id", 0,
    )  # fmt: skip
    assert done.code == 7
    written = json.loads(report.read_text())
    assert written["part"] == {"id": 0, "of": 7}
    assert [each["input"] for each in written["failed"]] == [str(folder / "0.tif")]


def test_parts_of_a_series_end_with_one_complete_manifest(run_cli, folder, tmp_path):
    command = (*BLUR, folder, "--dz-um", 2, "--dz-um", 4)
    for part in range(2):
        done = run_cli(*command, "-o", tmp_path / "parts", "--num-parts", 2, "--part-id", part)
        assert done.code == 0, done.err
    run_cli(*command, "-o", tmp_path / "whole")
    manifests = [(tmp_path / name / "manifest.csv").read_text() for name in ("parts", "whole")]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--num-parts", 3), "--num-parts needs --part-id"),
        (("--part-id", 3), "--part-id needs --num-parts"),
        (("--num-parts", 3, "--part-id", 3), "There is no part 3 of 3: they are counted from 0"),
        (("--num-parts", 3, "--part-id", -1), "There is no part -1 of 3"),
        (("--num-parts", 0, "--part-id", 0), "--num-parts must be at least 1, not 0"),
    ],
)
def test_nonsense_is_refused(run_cli, folder, tmp_path, options, told):
    done = run_cli(*BLUR, folder, "--dz-um", 2, "-o", tmp_path / "out", *options)
    assert done.code == 2
    assert told in done.err
    assert not (tmp_path / "out").exists()
