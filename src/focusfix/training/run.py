"""One run from its first step, or from where it was stopped, to its last."""

import math
from dataclasses import dataclass, replace
from functools import partial

import torch

from focusfix.io.checkpoint import save_checkpoint
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network, get_entry
from focusfix.report.training import Curve, write_loss_curve, write_preview
from focusfix.runtime.device import Device
from focusfix.training.card import make_header
from focusfix.training.data_sources import PairSource, TrainingData, make_batch
from focusfix.training.fit import Batch, Trainer, count_loaders, learning_rate_at, prefetch
from focusfix.training.interruption import Interruption
from focusfix.training.log import LogRow, RunLog
from focusfix.training.progress import ProgressView, Status
from focusfix.training.recipes import build_objective, find_recipe
from focusfix.training.run_folder import RunFolder
from focusfix.training.settings import RunSettings
from focusfix.training.start import read_start_again
from focusfix.training.validation import Validation, ValidationScore, preview_rows

_PREVIEW_CROPS = 4


@dataclass(frozen=True)
class Standing:
    """What decides about the best checkpoint and about stopping early; saved with the state.

    Parameters
    ----------
    best_psnr_db : float
        Best validation so far; minus infinity before the first one.
    best_step : int
        Its step.
    waited : int
        Validations since then.
    """

    best_psnr_db: float = -math.inf
    best_step: int = 0
    waited: int = 0

    def after(self, score: ValidationScore, step: int) -> "Standing":
        """Take a validation into account."""
        if score.psnr_db > self.best_psnr_db:
            return Standing(score.psnr_db, step, 0)
        return replace(self, waited=self.waited + 1)


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Parameters
    ----------
    steps : int
        Steps taken.
    stopped_early : bool
        Whether validations had stopped getting better.
    best_step : int
        Step of the best checkpoint.
    best : ValidationScore, optional
        Its validation; None for a run without validation.
    """

    steps: int
    stopped_early: bool
    best_step: int
    best: ValidationScore | None


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

    Raises
    ------
    ModelError
        If the weights to start from are needed, and are not those of the settings any more.
    """

    def __init__(
        self, data: TrainingData, settings: RunSettings, folder: RunFolder, device: Device
    ) -> None:
        self.data = data
        self.settings = settings
        self.folder = folder
        self.device = device.name
        recipe = replace(find_recipe(get_entry(settings.model)), loss=settings.loss)
        objective = build_objective(
            recipe,
            crop_px=settings.crop_size,
            device_kind=device.kind,
            precision=settings.precision,
        )
        self.trainer = Trainer(self._first_network(), objective, settings.fit)
        self.averaged = self._network()
        self.pairs = data.train
        held_out = data.validation
        self.validation = Validation(held_out, settings.validation_crops) if held_out else None
        self.standing = Standing()
        self.newest: ValidationScore | None = None
        self._saved_step = -1

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
        if "best_psnr_db" in notes:
            self.standing = Standing(
                notes["best_psnr_db"], int(notes["best_step"]), int(notes["waited"])
            )

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
        source = partial(_batch_of_step, self.pairs, self.settings.batch_size)
        first = self.trainer.step
        last = first if self._is_over() else self.settings.steps
        workers = count_loaders()
        batches = prefetch(source, first, last, ahead=2 + workers, workers=workers)
        with RunLog(self.folder.log, first) as log, Interruption() as interruption:
            with view:
                for batch in batches:
                    self._take_step(batch, log, view)
                    if interruption.requested is not None or self._is_over():
                        break
                batches.close()
            if self.trainer.step != self._saved_step:
                self._save(log)
            interruption.act()
            return self._result(log)

    def _is_over(self) -> bool:
        patience = self.settings.patience
        stopped = patience > 0 and self.standing.waited >= patience
        return stopped or self.trainer.step >= self.settings.steps

    def _take_step(self, batch: Batch, log: RunLog, view: ProgressView) -> None:
        rate = learning_rate_at(self.trainer.step, self.settings.fit)
        loss = self.trainer.learn(Batch(*(part.to(self.device) for part in batch)))
        row = LogRow(self.trainer.step, loss, rate)
        due = row.step % self.settings.validate_every == 0 or row.step == self.settings.steps
        score = self._validate() if due and self.validation is not None else None
        if score is not None:
            row = replace(row, psnr_db=score.psnr_db, input_psnr_db=score.input_psnr_db)
        log.append(row)
        if due:
            self._save(log)
        view.show(self._status(row, validated=score is not None))

    def _status(self, row: LogRow, *, validated: bool) -> Status:
        best = None
        if self.newest is not None:
            best = self.newest._replace(psnr_db=self.standing.best_psnr_db)
        return Status(
            step=row.step,
            steps=self.settings.steps,
            loss=row.loss,
            learning_rate=row.learning_rate,
            crops_per_step=self.settings.batch_size,
            validated=validated,
            validation=self.newest,
            best=best,
        )

    def _validate(self) -> ValidationScore:
        assert self.validation is not None
        self.averaged.load_state_dict(self.trainer.average)
        result = self.validation.score(
            self.averaged,
            batch_size=self.settings.batch_size,
            device=self.device,
            precision=self.settings.precision,
        )
        self.newest = result.score
        self.standing = self.standing.after(result.score, self.trainer.step)
        write_preview(self.folder.preview(self.trainer.step), preview_rows(result, _PREVIEW_CROPS))
        return result.score

    def _save(self, log: RunLog) -> None:
        """Write log, checkpoints and curve, and the state last: it is never ahead of them."""
        log.flush()
        network = self.trainer.network
        assert isinstance(network, Restorer)
        header = make_header(
            self.data,
            self.settings,
            hyperparameters=network.hyperparameters,
            step=self.trainer.step,
            score=_score_of(log.rows[-1]) if log.rows else None,
        )
        self.averaged.load_state_dict(self.trainer.average)
        save_checkpoint(self.folder.last, self.averaged, header)
        if self.validation is None or self.standing.best_step == self.trainer.step:
            save_checkpoint(self.folder.best, self.averaged, header)
        rows = log.rows
        validated = [row for row in rows if row.psnr_db is not None]
        write_loss_curve(
            self.folder.curve,
            Curve([row.step for row in rows], [row.loss for row in rows]),
            Curve([row.step for row in validated], [row.psnr_db or 0.0 for row in validated]),
            validated[-1].input_psnr_db if validated else None,
        )
        notes = {}
        if self.standing.best_step:
            notes = {
                "best_psnr_db": self.standing.best_psnr_db,
                "best_step": self.standing.best_step,
                "waited": self.standing.waited,
            }
        self.trainer.save_state(self.folder.state, notes)
        self._saved_step = self.trainer.step

    def _result(self, log: RunLog) -> RunResult:
        best_step = self.standing.best_step or self.trainer.step
        at_best = [row for row in log.rows if row.step == best_step]
        best = _score_of(at_best[0]) if at_best else None
        early = self.trainer.step < self.settings.steps
        return RunResult(self.trainer.step, early, best_step, best)


def _batch_of_step(source: PairSource, batch_size: int, step: int) -> Batch:
    return make_batch(source, step * batch_size, batch_size)


def _score_of(row: LogRow) -> ValidationScore | None:
    if row.psnr_db is None or row.input_psnr_db is None:
        return None
    return ValidationScore(row.psnr_db, row.input_psnr_db)
