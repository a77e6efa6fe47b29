"""Many files at once."""

import json

import pytest
import tifffile


@pytest.fixture
def plate(tmp_path, draw_nuclei):
    """Two good images, one with a dot in its name, and a bad one between them."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for seed, name in enumerate(("a1.w1.tif", "c3.tif")):
        tifffile.imwrite(folder / name, draw_nuclei((40, 40), seed=seed))
    (folder / "b2.tif").write_text("not an image")
    return folder


def test_bad_file_does_not_stop_the_others(run_cli, plate, tmp_path, tiny_weights):
    output, report = tmp_path / "fixed", tmp_path / "report.json"
    done = run_cli("deblur", plate, "-m", tiny_weights, "-o", output, "--report", report)
    assert done.code == 7
    assert done.out.splitlines() == [str(output / "a1.w1.tif"), str(output / "c3.tif")]
    assert "b2.tif is not a TIFF" in done.err
    assert "error: 1 of 3 inputs failed, the others were done." in done.err
    written = json.loads(report.read_text())
    assert [record["output"] for record in written["files"]] == done.out.splitlines()
    assert written["failed"][0]["input"] == str(plate / "b2.tif")
    assert written["failed"][0]["error"]["exit_code"] == 3

    again = run_cli("deblur", plate / "[ac]*.tif", "-m", tiny_weights, "-o", output)
    assert again.code == 6
    again = run_cli("deblur", plate, "-m", tiny_weights, "-o", output, "--skip-existing")
    assert (again.code, again.out) == (3, "")


def test_nothing_left_to_do(run_cli, plate, tmp_path, tiny_weights):
    output = tmp_path / "fixed"
    command = ("deblur", plate, "--pattern", "[ac]*.tif", "-m", tiny_weights, "-o", output)
    assert run_cli(*command).code == 0
    done = run_cli(*command, "--skip-existing")
    assert (done.code, done.out) == (0, "")
    assert "nothing to do" in done.err


def test_json_lines(run_cli, plate, tmp_path, tiny_weights):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{plate / 'b2.tif'}\n{plate / 'c3.tif'}\n")
    done = run_cli(
        "deblur", "--files-from", listed, "-m", tiny_weights, "--json",
        "-o", str(tmp_path / "{stem}_out.tif"),
    )  # fmt: skip
    failed, made = (json.loads(line) for line in done.out.splitlines())
    assert failed["error"]["exit_code"] == 3
    assert made["output"] == str(tmp_path / "c3_out.tif")
    assert failed["schema_version"] == made["schema_version"] == 1


def test_report_needs_its_folder(run_cli, plate, tmp_path, tiny_weights):
    report = tmp_path / "nowhere" / "report.json"
    done = run_cli(
        "deblur", plate, "-m", tiny_weights, "-o", tmp_path / "fixed", "--report", report
    )
    assert done.code == 6
    assert not (tmp_path / "fixed").exists()
