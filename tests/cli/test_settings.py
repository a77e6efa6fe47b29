"""Command line before environment before file before default."""

import tomllib

import pytest


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "focusfix.toml"
    path.write_text(
        '[deblur]\ndevice = "mps"\ntile-size = 256\nchannel = [0, 2]\noverwrite = true\n'
        "[synthesize-blur]\ndz-um = [2.5]\n"
    )
    return path


def effective(run_cli, *arguments: object) -> tuple[dict, str]:
    done = run_cli(*arguments, "--print-config")
    assert done.code == 0, done.err
    [(_, table)] = tomllib.loads(done.out).items()
    return table, done.out


def test_file_comes_before_default(run_cli, config):
    table, text = effective(run_cli, "deblur", "--config", config)
    assert table["device"] == "mps"
    assert table["tile-size"] == "256"
    assert table["channel"] == [0, 2]
    assert table["overwrite"] is True
    assert table["halo"] == "auto"
    assert 'device = "mps"  # file' in text
    assert 'halo = "auto"  # default' in text


def test_environment_comes_before_file(run_cli, config, monkeypatch):
    monkeypatch.setenv("FOCUSFIX_DEVICE", "cuda:7")
    _, text = effective(run_cli, "deblur", "--config", config)
    assert 'device = "cuda:7"  # environment' in text


def test_command_line_comes_first(run_cli, config, monkeypatch):
    monkeypatch.setenv("FOCUSFIX_DEVICE", "cuda:7")
    for arguments in (
        ("--config", config, "--device", "cpu"),
        ("--device", "cpu", "--config", config),
    ):
        _, text = effective(run_cli, "deblur", *arguments)
        assert 'device = "cpu"  # command line' in text


def test_printed_config_can_be_read(run_cli, config, tmp_path):
    table, text = effective(run_cli, "deblur", "--config", config)
    again = tmp_path / "again.toml"
    again.write_text(text)
    assert effective(run_cli, "deblur", "--config", again)[0] == table


def test_table_of_the_command_counts(run_cli, config):
    table, _ = effective(run_cli, "synthesize-blur", "--config", config)
    assert table["dz-um"] == [2.5]
    assert table["tile-size"] == "auto"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[deblur]\ntilesize = 3\n",
            "unknown option 'tilesize' in [deblur]. Did you mean tile-size?",
        ),
        ("[synthesize-blur]\nsteps = 3\n", "unknown option 'steps' in [synthesize-blur]."),
        ("[debur]\n", "unknown table [debur]. Did you mean deblur?"),
        ("deblur = 3\n", "deblur must be a table."),
        ("[deblur\n", "is not valid TOML"),
        ('[deblur]\nchannel = ["x"]\n', "--channel"),
        ('[deblur]\nprecision = "fp8"\n', "--precision"),
    ],
)
def test_mistakes_in_the_file(run_cli, tmp_path, text, words):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    done = run_cli("deblur", "--config", path, "--print-config")
    assert done.code == 2
    assert words in done.err


def test_missing_file(run_cli, tmp_path):
    done = run_cli("deblur", "--config", tmp_path / "none.toml")
    assert done.code == 2
    assert "none.toml cannot be read" in done.err
