"""One run from its first step, or from where it was stopped, to its last."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from focusfix.io.checkpoint import save_checkpoint
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network
from focusfix.report.training import write_preview
from focusfix.runtime.device import Device
from focusfix.training.card import make_header
from focusfix.training.collapse import Watch
from focusfix.training.data_sources import TrainingData
from focusfix.training.fit import Samples, Trainer, count_loaders, learning_rate_at, prefetch
from focusfix.training.interruption import Interruption
from focusfix.training.lesson import Lesson, move
from focusfix.training.lessons.table import make_lesson
from focusfix.training.log import LogRow, RunLog, UnwrittenLog, ValidationScore, draw_rows
from focusfix.training.progress import ProgressView, Status
from focusfix.training.run_folder import RunFolder
from focusfix.training.settings import RunSettings
from focusfix.training.shared_norm import share_batch_norm
from focusfix.training.standing import RunResult, Standing
from focusfix.training.start import read_start_again
from focusfix.training.team import ALONE, Team
from focusfix.training.validation import Validation, preview_rows

_PREVIEW_CROPS = 4


def build_seeded_network(settings: RunSettings) -> Restorer:
    """Build the network of a run with random weights that follow from its seed.

    Parameters
    ----------
    settings : RunSettings
        Model, hyperparameters and seed.

    Returns
    -------
    Restorer
        On the CPU, in training mode. Torch's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return build_network(settings.model, settings.hyperparameters)


class Run:
    """A training run.

    Parameters
    ----------
    data : TrainingData
        What is learned and validated.
    settings : RunSettings
        Frozen settings.
    folder : RunFolder
        Started with the same settings.
    device : Device
        Where to compute.
    team : Team
        Processes that learn together; the first one writes the folder.

    Raises
    ------
    ModelError
        If the weights to start from are needed, and are not those of the settings any more.
    """

    def __init__(
        self,
        data: TrainingData,
        settings: RunSettings,
        folder: RunFolder,
        device: Device,
        team: Team = ALONE,
    ) -> None:
        self.team = team
        self.data = data
        self.settings = settings
        self.folder = folder
        self.device = device.name
        self.lesson: Lesson[Any] = make_lesson(settings, device.kind)
        adversary = self.lesson.adversary
        if adversary is not None:
            adversary.network.to(self.device)
        network = self._first_network()
        if team.size > 1:
            for each in (network, *([] if adversary is None else [adversary.network])):
                share_batch_norm(each)
        self.trainer = Trainer(network, self._terms, settings.fit, adversary, team)
        self.averaged = self._network()
        self.validation = self.on_view = None
        if team.is_first and data.validation is not None:
            self.validation = Validation(self.lesson, data.validation, settings.validation_crops)
        elif team.is_first:
            self.on_view = Validation(self.lesson, data.train, _PREVIEW_CROPS)
        self.standing = Standing()
        self.newest: ValidationScore | None = None
        self.watch = Watch(self.lesson.signs, settings.steps)
        self._saved_step = -1
        self._finished_step = -1

    def _network(self) -> Restorer:
        network = build_seeded_network(self.settings)
        return network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _first_network(self) -> Restorer:
        """Build the network to train, with its first weights unless a saved state replaces them."""
        network = self._network()
        if self.settings.start_from is not None and not self.folder.state.exists():
            start = read_start_again(self.settings.start_from)
            network.load_state_dict(start.state_dict())
        return network

    def _terms(self, network: nn.Module, batch: Any) -> dict[str, Tensor]:
        return self.lesson.losses(network, batch, self.trainer.step)

    def resume(self) -> None:
        """Go on from the saved state of the folder, if a step was saved there.

        Raises
        ------
        ModelError
            If the state cannot be read.
        """
        if not self.folder.state.exists():
            return
        notes = self.trainer.load_state(self.folder.state)
        self._saved_step = self.trainer.step
        self.standing = Standing.from_notes(notes)

    def train(self, view: ProgressView) -> RunResult:
        """Take the steps that are left, validate and save.

        Parameters
        ----------
        view : ProgressView
            Gets every step.

        Returns
        -------
        RunResult

        Raises
        ------
        KeyboardInterrupt, SystemExit
            After SIGINT or SIGTERM, when the state is saved.
        InputError
            If the loss is not finite.
        OutputError
            If the folder cannot be written.
        """
        source = partial(_batches_of_step, self._make_batch, self.settings, self.team)
        first = self.trainer.step
        last = first if self._is_over() else self.settings.steps
        workers = count_loaders()
        batches = prefetch(source, first, last, ahead=2 + workers, workers=workers)
        with Interruption() as interruption, self._open_log(first) as log:
            self.watch.recall(log.rows)
            with view:
                for each in batches:
                    self._take_step(each, log, view)
                    if self._is_asked_to_stop(interruption):
                        break
                batches.close()
            if self.trainer.step != self._saved_step:
                self._save(log)
            self.team.largest(0)  # the others wait until the first has saved
            interruption.act()
            return self._result(log)

    def _open_log(self, step: int) -> RunLog:
        """Open the log, once all processes take note of signals."""
        self.team.largest(0)
        make = RunLog if self.team.is_first else UnwrittenLog
        return make(self.folder.log, step)

    def _is_asked_to_stop(self, interruption: Interruption) -> bool:
        """Let all processes stop after the same step, whichever of them was asked to."""
        asked, over = self.team.largest(interruption.requested or 0, int(self._is_over()))
        if asked:
            interruption.requested = asked
        return bool(asked or over)

    def _is_over(self) -> bool:
        patience = self.settings.patience
        stopped = patience > 0 and self.standing.waited >= patience
        return stopped or self.trainer.step >= self.settings.steps

    def _make_batch(self, first: int, count: int) -> Samples:
        made: Samples = self.lesson.batch(self.data.train, first, count)
        return made

    def _take_step(self, batches: tuple[Samples, ...], log: RunLog, view: ProgressView) -> None:
        rate = learning_rate_at(self.trainer.step, self.settings.fit)
        loss = self.trainer.learn(*(move(batch, self.device) for batch in batches))
        terms = self.trainer.terms
        row = LogRow(self.trainer.step, loss, rate, others=terms)
        due = row.step % self.settings.validate_every == 0 or row.step == self.settings.steps
        score = self._validate() if due else None
        if score is not None:
            row = replace(
                row,
                psnr_db=score.psnr_db,
                input_psnr_db=score.input_psnr_db,
                others={**terms, **score.others},
            )
        log.append(row)
        if due:
            self._save(log)
        crops = self.team.size * sum(len(batch[0]) for batch in batches)
        status = self._status(row, crops, validated=score is not None)
        view.show(replace(status, warnings=self.watch.look(log.rows)))

    def _status(self, row: LogRow, crops: int, *, validated: bool) -> Status:
        best = None
        if self.newest is not None:
            best = self.newest._replace(psnr_db=self.standing.best_psnr_db, others={})
        return Status(
            step=row.step,
            steps=self.settings.steps,
            loss=row.loss,
            learning_rate=row.learning_rate,
            crops_per_step=crops,
            validated=validated,
            validation=self.newest,
            best=best,
            terms=self.trainer.terms,
        )

    def _validate(self) -> ValidationScore | None:
        """Score the network where there is what it did not learn from; show what it does."""
        crops = self.validation or self.on_view
        if crops is None:
            return None
        result = crops.score(
            self._finished(), batch_size=self.settings.batch_size, device=self.device
        )
        rows = preview_rows(result, _PREVIEW_CROPS, are_scored=self.validation is not None)
        titles = self.lesson.titles
        if not self.data.has_truth:
            titles = (*titles[:2], f"{titles[2]}, elsewhere")
        write_preview(self.folder.preview(self.trainer.step), rows, titles)
        if self.validation is None:
            return None
        self.newest = result.score
        self.standing = self.standing.after(result.score, self.trainer.step)
        return result.score

    def _finished(self) -> Restorer:
        """Give the averaged weights what belongs to them; once a step, since it may take long."""
        if self._finished_step != self.trainer.step:
            self.averaged.load_state_dict(self.trainer.average)
            self.lesson.finish(self.averaged.eval(), self.data.train)
            self._finished_step = self.trainer.step
        return self.averaged

    def _save(self, log: RunLog) -> None:
        """Write log, checkpoints and curve, and the state last: it is never ahead of them."""
        self._saved_step = self.trainer.step
        if not self.team.is_first:
            return
        log.flush()
        network = self.trainer.network
        assert isinstance(network, Restorer)
        header = make_header(
            self.data,
            self.settings,
            hyperparameters=network.hyperparameters,
            step=self.trainer.step,
            score=log.rows[-1].score if log.rows else None,
        )
        save_checkpoint(self.folder.last, self._finished(), header)
        if self.validation is None or self.standing.best_step == self.trainer.step:
            save_checkpoint(self.folder.best, self._finished(), header)
        draw_rows(self.folder.curve, log.rows)
        self.trainer.save_state(self.folder.state, self.standing.notes)

    def _result(self, log: RunLog) -> RunResult:
        best_step = self.standing.best_step or self.trainer.step
        at_best = [row for row in log.rows if row.step == best_step]
        best = at_best[0].score if at_best else None
        early = self.trainer.step < self.settings.steps
        return RunResult(self.trainer.step, early, best_step, best, self.watch.summary(log.rows))


def _batches_of_step(
    make: Callable[[int, int], Samples], settings: RunSettings, team: Team, step: int
) -> tuple[Samples, ...]:
    """Make the batches of one process: its share of each batch of all of them."""
    size, first = settings.batch_size, step * settings.samples_per_step
    firsts = [first + k * settings.samples_at_once for k in range(settings.accumulate)]
    return tuple(make(team.share(each, size), size) for each in firsts)
