import sys
import time

import pytest
import torch
from safetensors import safe_open
from torch import nn

from focusfix.errors import InputError, ModelError
from focusfix.training.fit import (
    Adversary,
    Batch,
    FitSettings,
    Trainer,
    count_loaders,
    learning_rate_at,
    prefetch,
)


def objective(network, batch):
    return (network(batch.inputs) - batch.targets).square().mean()


def batch_of(step):
    generator = torch.Generator().manual_seed(step)
    inputs = torch.rand((2, 1, 8, 8), generator=generator)
    return Batch(inputs, 2 * inputs)


def make_trainer(steps=6, **changes):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    return Trainer(network, objective, FitSettings(steps=steps, **changes))


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.25), (3, 1.0), (40, 1.0), (70, 1.0), (85, 0.505), (99, 0.0127133)]
)
def test_rate_rises_stays_and_falls(step, rate):
    settings = FitSettings(steps=100, learning_rate=1.0, warmup_steps=4, decay_share=0.3)
    assert learning_rate_at(step, settings) == pytest.approx(rate, abs=1e-4)


def test_rate_falls_in_steps(make_settings):
    settings = make_settings(schedule="stepped", steps=400, steps_per_epoch=1.0).fit
    rates = [learning_rate_at(step, settings) for step in (0, 4, 5, 399)]
    assert rates == pytest.approx([1e-3, 1e-3, 0.98e-3, 0.98**79 * 1e-3])
    constant = make_settings(schedule="constant", steps=400).fit
    assert {learning_rate_at(step, constant) for step in (0, 200, 399)} == {1e-3}
    assert (constant.average_decay, constant.clip_norm) == (0, None)


def test_rate_falls_to_nothing_over_the_second_half(make_settings):
    settings = make_settings(schedule="half-linear", steps=400, betas=(0.5, 0.99)).fit
    rates = [learning_rate_at(step, settings) for step in (0, 199, 200, 300, 399)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 0.5e-3, 1e-3 / 200])
    assert (settings.betas, settings.average_decay, settings.clip_norm) == ((0.5, 0.99), 0, None)


def test_state_continues_exactly(tmp_path):
    straight = make_trainer()
    for step in range(6):
        straight.learn(batch_of(step))
    stopped = make_trainer()
    for step in range(3):
        stopped.learn(batch_of(step))
    stopped.save_state(tmp_path / "state", {"waited": 2})
    resumed = make_trainer()
    assert resumed.load_state(tmp_path / "state") == {"waited": 2}
    assert resumed.step == 3
    for step in range(3, 6):
        resumed.learn(batch_of(step))
    assert same(straight.network.state_dict(), resumed.network.state_dict())
    assert same(straight.average, resumed.average)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def make_duel(steps=6):
    """A network with a judge of its images, and losses of several terms."""
    torch.manual_seed(1)
    judge = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))

    def losses(network, batch):
        made = network(batch.inputs)
        image, fooled = (made - batch.targets).square().mean(), (judge(made) - 1).square().mean()
        return {"loss": image + 0.1 * fooled, "image": image, "fooled": fooled}

    def judging(network, batch, step):
        with torch.no_grad():
            made = network(batch.inputs)
        real, fake = (judge(batch.targets) - 1).square().mean(), judge(made).square().mean()
        return {"loss": real + fake, "seen_steps": torch.tensor(float(step))}

    trainer = make_trainer(steps)
    settings = trainer.settings
    adversary = Adversary(judge, judging, learning_rate=5e-4, betas=(0.5, 0.99))
    return Trainer(trainer.network, losses, settings, adversary)


def test_an_adversary_learns_and_continues_exactly(tmp_path):
    straight, stopped = make_duel(), make_duel()
    first = {k: v.clone() for k, v in straight.adversary.network.state_dict().items()}
    for step in range(6):
        straight.learn(batch_of(step))
    assert not same(first, straight.adversary.network.state_dict())
    assert straight.terms.keys() == {"image", "fooled", "adversary_loss", "seen_steps"}
    assert straight.terms["seen_steps"] == 5
    for step in range(3):
        stopped.learn(batch_of(step))
    stopped.save_state(tmp_path / "state")
    resumed = make_duel()
    resumed.load_state(tmp_path / "state")
    for step in range(3, 6):
        resumed.learn(batch_of(step))
    assert resumed.terms == straight.terms
    assert same(straight.network.state_dict(), resumed.network.state_dict())
    assert same(straight.adversary.network.state_dict(), resumed.adversary.network.state_dict())
    make_trainer().save_state(tmp_path / "alone")
    with pytest.raises(ModelError, match="another network"):
        make_duel().load_state(tmp_path / "alone")


def test_an_adversary_does_not_move_the_network():
    alone, duel = make_trainer(), make_duel()
    duel.objective = alone.objective
    for step in range(2):
        alone.learn(batch_of(step))
        duel.learn(batch_of(step))
    moved = dict(duel.network.named_parameters())
    assert same(dict(alone.network.named_parameters()), moved)


def test_gradients_of_several_batches_add_up_to_that_of_all():
    def plain(network, batch):
        return objective(network, batch)

    def make():
        torch.manual_seed(0)
        return Trainer(nn.Conv2d(1, 1, 3, padding=1), plain, FitSettings(steps=3, clip_norm=None))

    whole, parts = make(), make()
    batches = [batch_of(step) for step in range(3)]
    together = Batch(*(torch.cat(part) for part in zip(*batches, strict=True)))
    assert parts.learn(*batches) == pytest.approx(whole.learn(together), rel=1e-6)
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_states_hold_no_moments_of_what_is_not_trained(tmp_path):
    trainer = make_trainer()
    trainer.network[0].requires_grad_(requires_grad=False)
    before = trainer.network[0].weight.clone()
    trainer.learn(batch_of(0))
    trainer.save_state(tmp_path / "state")
    with safe_open(tmp_path / "state", "pt") as file:
        moments = {name.split(".")[1] for name in file.keys() if name.startswith("adam.")}  # noqa: SIM118
    assert moments == {"2", "3", "4", "5"}
    assert trainer.network[0].weight.equal(before)


def test_average_follows_the_weights():
    trainer = make_trainer(average_decay=0.0)
    trainer.learn(batch_of(0))
    assert same(trainer.average, trainer.network.state_dict())


def test_states_that_do_not_fit(tmp_path):
    trainer = make_trainer()
    with pytest.raises(ModelError, match="no training state"):
        trainer.load_state(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ModelError, match="no training state"):
        trainer.load_state(tmp_path / "text")
    trainer.save_state(tmp_path / "state")
    other = Trainer(nn.Conv2d(1, 1, 3), objective, FitSettings(steps=1))
    with pytest.raises(ModelError, match="another network"):
        other.load_state(tmp_path / "state")


def test_a_loss_that_explodes_stops_before_the_step():
    trainer = make_trainer()
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    bad = Batch(batch_of(0).inputs, torch.full((2, 1, 8, 8), torch.inf))
    with pytest.raises(InputError, match="loss became inf at step 1"):
        trainer.learn(bad)
    assert same(before, dict(trainer.network.named_parameters()))


def test_prefetch_keeps_the_order_and_stops_when_closed():
    made = []

    def source(step):
        made.append(step)
        return batch_of(step)

    batches = prefetch(source, 2, 100, ahead=3)
    found = [next(batches) for _ in range(4)]
    batches.close()
    assert all(torch.equal(found[i].inputs, batch_of(2 + i).inputs) for i in range(4))
    assert made == sorted(made)
    assert len(made) <= 7


def test_threads_change_more_often_while_batches_are_made():
    usual = sys.getswitchinterval()
    batches = prefetch(batch_of, 0, 9)
    next(batches)
    assert sys.getswitchinterval() < usual
    batches.close()
    assert sys.getswitchinterval() == usual


def test_batches_and_their_order_do_not_depend_on_the_threads():
    def source(step):
        time.sleep(0.01 * (step % 3 == 0))
        return batch_of(step)

    alone = [batch.inputs for batch in prefetch(source, 0, 12)]
    together = [batch.inputs for batch in prefetch(source, 0, 12, ahead=6, workers=4)]
    assert all(one.equal(other) for one, other in zip(alone, together, strict=True))
    assert 1 <= count_loaders() <= 8


def test_prefetch_hands_on_errors():
    def source(step):
        raise InputError(f"step {step}.", "None.")

    with pytest.raises(InputError, match="step 0"):
        next(prefetch(source, 0, 5))
