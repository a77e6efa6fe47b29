import json

import pytest

from focusfix.errors import InputError, OutputError, UsageError
from focusfix.training.log import LogRow, RunLog, read_log
from focusfix.training.run_folder import RunFolder
from focusfix.training.settings import check_unchanged, default_validate_every

TABLE = [{"field": "a", "focal_level": "2", "split": "train"}]


def test_settings_survive(tmp_path, make_settings):
    settings = make_settings(channels=("w1",))
    folder = RunFolder(tmp_path / "deep" / "run")
    folder.start(settings, TABLE)
    assert folder.read_settings() == settings
    folder.check_split(TABLE)


def test_folders_that_hold_something(tmp_path, make_settings):
    folder = RunFolder(tmp_path / "run")
    folder.check_new(overwrite=False)
    folder.path.mkdir()
    folder.check_new(overwrite=False)
    (folder.path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no run"):
        folder.check_new(overwrite=True)
    folder.start(make_settings(), TABLE)
    folder.best.write_text("old")
    with pytest.raises(OutputError, match="--resume"):
        folder.check_new(overwrite=False)
    folder.check_new(overwrite=True)
    folder.start(make_settings(), TABLE)
    assert not folder.best.exists()
    assert (folder.path / "thesis.txt").exists()
    with pytest.raises(OutputError, match="is a file"):
        RunFolder(folder.path / "config.json").check_new(overwrite=True)
    with pytest.raises(OutputError, match="cannot be written"):
        RunFolder(folder.path / "config.json" / "run").start(make_settings(), TABLE)


def test_runs_that_cannot_be_resumed(tmp_path, make_settings):
    folder = RunFolder(tmp_path)
    with pytest.raises(InputError, match=r"config\.json is missing"):
        folder.read_settings()
    folder.start(make_settings(), TABLE)
    config = tmp_path / "config.json"
    record = json.loads(config.read_text())
    config.write_text(json.dumps({**record, "format_version": 9}))
    with pytest.raises(InputError, match="does not read"):
        folder.read_settings()
    config.write_text(json.dumps({**record, "settings": {}}))
    with pytest.raises(InputError, match="cannot be read"):
        folder.read_settings()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([{**TABLE[0], "focal_level": "3"}], "a has focal_level '3'.*says '2'"),
        ([{**TABLE[0], "field": "b"}], "b has field 'b'.*says 'a'"),
        (TABLE * 2, "2 series instead of 1"),
    ],
)
def test_other_data_are_refused(tmp_path, make_settings, table, message):
    folder = RunFolder(tmp_path)
    folder.start(make_settings(), TABLE)
    with pytest.raises(InputError, match=message):
        folder.check_split(table)


def test_changed_settings_are_named(make_settings):
    stored = make_settings(channels=("w1",))
    check_unchanged(stored, {"steps": 6, "channels": ("w1",), "hyperparameters": {"levels": 2}})
    with pytest.raises(UsageError, match=r"started with batch-size 2, not 4.*Leave --batch-size"):
        check_unchanged(stored, {"steps": 6, "batch_size": 4})
    with pytest.raises(UsageError, match=r"model-setting {'levels': 2}, not {'levels': 3}"):
        check_unchanged(stored, {"hyperparameters": {"levels": 3}})
    with pytest.raises(UsageError, match="channel "):
        check_unchanged(stored, {"channels": ("w2",)})


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (60, 3), (10_000, 500), (100_000, 500)])
def test_default_validation(steps, every):
    assert default_validate_every(steps) == every


def test_log(tmp_path):
    path = tmp_path / "log.csv"
    rows = [LogRow(1, 0.1, 1e-3), LogRow(2, 1 / 3, 1e-3, 30.5, 28.0)]
    with RunLog(path, 0) as log:
        for row in rows:
            log.append(row)
    assert read_log(path) == rows
    with RunLog(path, 1) as log:
        log.append(LogRow(2, 0.2, 1e-3))
        log.flush()
        assert read_log(path) == [rows[0], LogRow(2, 0.2, 1e-3)]
    named = LogRow(3, 0.5, 1e-3, others={"image": 0.25, "line": 1 / 7})
    validated = LogRow(4, 0.5, 1e-3, 31.0, 30.0, {"image": 0.2, "line": 0.1, "gain_db": 1.0})
    with RunLog(path, 2) as log:
        log.append(named)
        log.append(validated)
        log.append(named)
    assert path.read_text().splitlines()[0].endswith("input_psnr_db,image,line,gain_db")
    assert read_log(path)[2:] == [named, validated, named]
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not the log"):
        read_log(path)
