"""What several processes of a run share; the processes themselves are in tests/cli."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from focusfix.errors import DeviceError, InputError
from focusfix.training.shared_norm import SharedBatchNorm, share_batch_norm
from focusfix.training.team import ALONE, Team, join_team


@pytest.fixture
def group(tmp_path):
    """A group of one process."""
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_shares_of_a_batch_cover_it_once():
    shares = [range(first, first + 3) for first in (Team(k, 4).share(24, 3) for k in range(4))]
    assert sorted(index for share in shares for index in share) == list(range(24, 36))


@pytest.mark.usefixtures("group")
def test_batch_norm_of_one_process_is_that_of_torch():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3)))
    shared = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3)))
    shared.load_state_dict(plain.state_dict())
    share_batch_norm(shared)
    assert isinstance(shared[2][0], SharedBatchNorm)
    assert list(shared.state_dict()) == list(plain.state_dict())
    images = torch.rand(4, 1, 9, 7)
    for network in (plain, shared):
        network(images).square().sum().backward()
    for one, other in zip(plain.parameters(), shared.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-4)
    for name, value in plain.state_dict().items():
        assert torch.allclose(value, shared.state_dict()[name], atol=1e-6), name
    assert torch.allclose(plain.eval()(images), shared.eval()(images), atol=1e-5)


@pytest.mark.usefixtures("group")
def test_gradients_are_averaged_and_missing_ones_stay_missing():
    """Of one process the mean is the gradient; the exchange is that of two."""
    team = Team(0, 2)
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0](torch.ones(1, 2)).sum().backward()
    before = network[0].weight.grad.clone()
    team.average_gradients(network.parameters())
    assert torch.equal(network[0].weight.grad, before / 2)
    assert network[1].weight.grad is None
    assert team.mean({"loss": 3.0}) == {"loss": 1.5}
    assert team.largest(2, 0) == (2, 0)


THREADS_AFTER_A_GROUP = """
import sys
from pathlib import Path
import torch
from focusfix.training.team import Team
store = torch.distributed.FileStore(sys.argv[1], 1)
torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
layer = torch.nn.Linear(2, 2)
layer(torch.ones(1, 2)).sum().backward()
Team(0, 2).average_gradients(layer.parameters())
torch.optim.Adam(layer.parameters()).step()
def threads():
    return {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
during = threads()
torch.distributed.destroy_process_group()
print(any("gloo" in name for name in during), any("gloo" in name for name in threads()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="names of threads are in /proc")
def test_no_thread_of_a_group_outlives_it(tmp_path):
    """Optimizers load modules that would keep the group, if they found one."""
    command = [sys.executable, "-c", THREADS_AFTER_A_GROUP, str(tmp_path / "store")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "True False\n"


@pytest.mark.usefixtures("group")
def test_an_error_is_told_by_one_process():
    with pytest.raises(InputError, match="gone"), Team(1, 2).speak_once():
        raise InputError("It is gone.", "Look for it.")
    with pytest.raises(InputError, match="gone"), ALONE.speak_once():
        raise InputError("It is gone.", "Look for it.")


def test_cards_cannot_be_shared(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match="more processes on this computer"), join_team("auto"):
        pass
    with pytest.raises(DeviceError, match="cannot be shared"), join_team("cuda:0"):
        pass
