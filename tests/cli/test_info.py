"""``focusfix info``: what it says must be what was planted."""

import json

import numpy as np
import tifffile

from focusfix.optics import OpticsSettings, defocus_psf, image_plane


def test_facts_of_a_stack(run_cli, stack):
    done = run_cli("info", stack, "--json")
    record = json.loads(done.out)
    assert record["schema_version"] == 1
    assert (record["axes"], record["shape"]) == ("ZCYX", [3, 2, 64, 56])
    assert (record["dtype"], record["format"], record["planes"]) == ("uint16", "imagej", 6)
    assert record["pixel_size_um"] == [0.25, 0.25]
    assert record["z_spacing_um"] == 1.5
    assert [each["modality"] for each in record["deblur_with"]] == ["fluorescence"] * 2
    assert [len(each["sharpness"]) for each in record["focus"]] == [3, 3]
    assert done.err == ""


def test_text_says_the_same(run_cli, stack):
    done = run_cli("info", stack)
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == str(stack)
    assert "axes ZCYX" in lines
    assert "shape 3 x 2 x 64 x 56" in lines
    assert "pixel size 0.25 x 0.25 um (y, x)" in lines
    assert sum("cycles per pixel" in line for line in lines) == 2
    assert lines.count("^") == 2
    assert lines.count("0 2") == 2


def test_numbers_of_the_focus_curve_are_listed_on_request(run_cli, stack):
    lines = [" ".join(line.split()) for line in run_cli("info", stack, "-v").out.splitlines()]
    assert lines.count("z_level sharpness") == 2
    assert sum(line.endswith("sharpest") for line in lines) == 2


def test_focus_curve_in_ascii(run_program, program_environment, stack):
    program_environment["PYTHONIOENCODING"] = "ascii"
    done = run_program("info", stack)
    assert done.code == 0, done.err
    assert "###" in done.out


def test_planted_focal_plane_is_found(run_cli, tmp_path, draw_nuclei):
    lens = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)
    sharp = draw_nuclei((96, 96)).astype(np.float32)
    planes = [image_plane(sharp, defocus_psf(lens, dz_um)) for dz_um in (-8, -4, 0, 4)]
    tifffile.imwrite(
        tmp_path / "z.tif",
        np.stack(planes).astype(np.uint16),
        imagej=True,
        metadata={"axes": "ZYX"},
    )
    [focus] = json.loads(run_cli("info", tmp_path / "z.tif", "--json").out)["focus"]
    assert focus["focal_level"] == 2
    assert np.argsort(focus["sharpness"]).tolist()[0] == 0


def test_model_that_is_installed(run_cli, image, save_weights, monkeypatch, tmp_path):
    save_weights(tmp_path / "fluorescence.safetensors")
    monkeypatch.setenv("FOCUSFIX_MODEL_PATH", str(tmp_path))
    assert "looks like fluorescence: use the model fluorescence" in run_cli("info", image).out


def test_bad_file_among_good_ones(run_cli, image):
    (image.parent / "bad.tif").write_text("no image")
    done = run_cli("info", image.parent, "--json")
    assert done.code == 7
    records = [json.loads(line) for line in done.out.splitlines()]
    assert ["error" in record for record in records] == [True, False]


def test_axes_of_the_user(run_cli, stack):
    done = run_cli("info", stack, "--axes", "TCYX", "--json")
    record = json.loads(done.out)
    assert record["axes"] == "TCYX"
    assert record["focus"] == []
