import gc
import os

import pytest

from focusfix.cli.starting import collect_again, leave_processors_to_torch, uncollected


@pytest.fixture(autouse=True)
def _as_before():
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("was_enabled", [True, False])
def test_nothing_is_looked_for_inside(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled() == was_enabled


def test_collecting_goes_on_after_an_error():
    with pytest.raises(OSError, match="told"), uncollected():
        raise OSError("told")
    assert gc.isenabled()


def test_what_was_kept_out_can_be_let_in_again():
    with uncollected():
        pass
    assert gc.get_freeze_count()
    collect_again()
    assert not gc.get_freeze_count()


def test_the_user_decides_about_the_threads_of_numpy(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    leave_processors_to_torch()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
