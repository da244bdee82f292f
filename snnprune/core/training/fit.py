"""The one training loop, for dense nets and for fine-tuning under a mask, and what watches and resumes it."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.digest import digest_of
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.finite import LOOK_AFTER, FiniteSteps, require_finite_weights
from snnprune.core.network import SpikingNetwork
from snnprune.core.seeds import derive_seed, seed_everything
from snnprune.core.training.batch import make_batch
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.learning_rate import learning_rate
from snnprune.core.training.loss import CROSS_ENTROPY, BatchLoss
from snnprune.core.training.params import FitParams

SHUFFLE = 1  # tells an epoch's order of samples from its other draws (dropout, noise, augmentation) in the seed


@dataclass(frozen=True)
class Epoch:
    """Figures of one finished epoch: mean training loss, validation accuracy (0..1; None without validation data),
    learning rate of its last step."""

    epoch: int
    loss: float
    validation_accuracy: float | None
    lr: float


class StepHooks:
    """What happens around every optimiser step; by default nothing (a dense net)."""

    def at_step(self, step: int, steps: int) -> None:
        """Before the batch of step 0 <= `step` < `steps` of the whole run is made. May change the network's layers and
        the optimiser's parameters."""

    def before_step(self) -> None:
        """After the gradients are there, before the optimiser uses them."""

    def after_step(self) -> None:
        """After the optimiser changed the weights."""

    def state(self) -> dict[str, Any]:
        """What is saved with an epoch: tensors and plain values."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Be as `state` says, before the network's and the optimiser's own state are loaded."""


class Progress:
    """Receives the progress of training and pruning. Override what you want to see; every method does nothing here."""

    def batches(self, batches: Sequence[Tensor], epoch: int, epochs: int) -> Iterable[Tensor]:
        """Called at the start of epoch 1 <= `epoch` <= `epochs`; pass on its `batches` (index tensors of samples)."""
        return batches

    def batches_done(self, samples: int, loss: float) -> None:
        """Some more batches, of `samples` samples in all, are done; the last one had this loss."""

    def epoch_done(self, epoch: int, epochs: int, loss: float, accuracy: float | None) -> None:
        """An epoch ended: mean training loss, and validation accuracy (0..1; None without validation data)."""

    def at_level(self, level: float) -> "Progress":
        """Who receives the progress of fine-tuning at this sparsity."""
        return self

    def level_done(self, level: Any) -> None:
        """A sparsity was reached and fine-tuned (`snnprune.pruning.iterate.PrunedLevel`)."""


@dataclass(frozen=True)
class ResumePoint:
    """One file that holds the last state saved each epoch (tensors and plain values). run: of what run, beside what
    `fit` compares by itself, such as a digest of the data."""

    path: Path
    run: str = ""

    def load(self) -> dict[str, Any] | None:
        """The last state saved, on the CPU, or None when there is none. Nothing is unpickled but tensors and plain
        values. Raises UserError: the file is damaged, or holds something else."""
        if self.path.is_dir() or self.path.parent.is_file():
            raise UserError(f"{self.path}: no file can be there; training resumes from a file, pruning from a folder")
        if not self.path.is_file():
            return None
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except (UnpicklingError, RuntimeError, EOFError, ValueError, struct.error) as error:
            raise UserError(f"{self.path}: damaged or no resume point; delete it to start anew") from error

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; a kill at any moment leaves the older or the newer one, whole."""
        replace(self.path, lambda partial: torch.save(state, partial))


def make_optimizer(network: SpikingNetwork, params: FitParams) -> torch.optim.Adam:
    """Adam or AdamW over every parameter."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[params.optimizer]
    return kind(network.parameters(), lr=params.lr, weight_decay=params.weight_decay, fused=True)


def fit(
    network: SpikingNetwork,
    optimizer: torch.optim.Adam,
    train: Split,
    validation: Split | None,
    params: FitParams,
    *,
    seed_path: tuple[int, ...] = (0,),
    loss: BatchLoss = CROSS_ENTROPY,
    hooks: StepHooks | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: Progress | None = None,
    resume: ResumePoint | None = None,
) -> list[Epoch]:
    """Train `network` in place and return the figures of every epoch.

    Each epoch is seeded by (*seed_path, epoch) alone and saved to `resume` (None: nowhere), so an interrupted run goes
    on after its last whole epoch and ends with the very weights of an uninterrupted one. `on_epoch` is called once for
    every epoch, those before the interruption included. Without `validation` no accuracy is measured. Raises
    NotFiniteError: a loss, gradient or weight is NaN or infinite. Raises UserError: images and `params` do not fit, or
    `resume` holds a state of another run (from another network, with other `params`, `seed_path` or `resume.run`), or
    `loss` is no scalar that can be differentiated, or the last batch is too small for batch normalisation.
    """
    _require_fitting(params, tuple(train.images.shape[1:]), len(train.labels))
    on_epoch, progress, hooks = on_epoch or (lambda epoch: None), progress or Progress(), hooks or StepHooks()
    run = digest_of((network.spec, params, seed_path, resume.run), network.state_dict()) if resume else ""
    epochs = _restore(network, optimizer, hooks, resume, run) if resume else []
    for done in epochs:
        on_epoch(done)
    for number in range(len(epochs) + 1, params.epochs + 1):
        seed_everything(*seed_path, number)
        mean_loss, lr = _run_epoch(network, optimizer, train, params, number, seed_path, progress, hooks, loss)
        require_finite_weights(network, f"epoch {number}", params.lr)
        done = Epoch(number, mean_loss, None if validation is None else accuracy(network, validation), lr)
        epochs.append(done)
        if resume:
            state = {"run": run, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
            resume.save({**state, "hooks": hooks.state(), "epochs": [asdict(epoch) for epoch in epochs]})
        progress.epoch_done(number, params.epochs, done.loss, done.validation_accuracy)
        on_epoch(done)
    return epochs


def shuffled_batches(samples: int, batch_size: int, seed: int) -> tuple[Tensor, ...]:
    """Index tensors of a seeded permutation of `samples`, `batch_size` long (the last may be shorter)."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed)).split(batch_size)


def _run_epoch(
    network: SpikingNetwork,
    optimizer: torch.optim.Adam,
    train: Split,
    params: FitParams,
    number: int,
    seed_path: tuple[int, ...],
    progress: Progress,
    hooks: StepHooks,
    loss_of: BatchLoss,
) -> tuple[float, float]:
    """One pass over `train`; the mean loss and the last learning rate."""
    network.train()
    batches = shuffled_batches(len(train.labels), params.batch_size, derive_seed(*seed_path, number, SHUFFLE))
    steps = FiniteSteps(network, f"epoch {number}, batch {{}} of {len(batches)}", params.lr)
    lr, samples = params.lr, 0
    for index, chosen in enumerate(progress.batches(batches, number, params.epochs)):
        step, every = (number - 1) * len(batches) + index, params.epochs * len(batches)
        hooks.at_step(step, every)
        lr = learning_rate(params, step, every)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        batch = make_batch(train, chosen, params.augment, network.reads_rows)
        loss = loss_of(_outputs(network, batch.images), batch)
        _require_loss(loss)
        loss.backward()
        steps.note(loss)
        try:
            hooks.before_step()
            optimizer.step()
            hooks.after_step()
        except RuntimeError:
            steps.look()  # what is not finite is the reason rather than a check that it fails
            raise
        samples += len(chosen)
        if (index + 1) % LOOK_AFTER == 0:
            progress.batches_done(samples, steps.look()[-1])
            samples = 0
    losses = steps.look()
    if samples:
        progress.batches_done(samples, losses[-1])
    return sum(loss * len(chosen) for loss, chosen in zip(losses, batches, strict=True)) / len(train.labels), lr


def _outputs(network: SpikingNetwork, images: Tensor) -> Tensor:
    """The network's logits. Raises UserError: it normalises over a batch, and this one is a single sample."""
    try:
        return network(images)
    except ValueError as error:
        if len(images) == 1 and "more than 1 value per channel" in str(error):  # torch's batch normalisation
            raise UserError(
                "batch_size: the last batch has a single sample, over which batch normalisation cannot be trained; "
                "choose another batch_size, or leave out a sample"
            ) from error
        raise


def _require_loss(loss: Any) -> None:
    if isinstance(loss, Tensor) and loss.dim() == 0 and loss.requires_grad:
        return
    found = f"a tensor {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
    found += " that depends on no weight" if isinstance(loss, Tensor) and not loss.requires_grad else ""
    raise UserError(f"loss: expected a number, a tensor [] to be differentiated; the function returned {found}")


def _restore(
    network: SpikingNetwork, optimizer: torch.optim.Adam, hooks: StepHooks, resume: ResumePoint, run: str
) -> list[Epoch]:
    state = resume.load()
    if state is None:
        return []
    try:
        if state["run"] != run:
            raise ValueError("a state of another run")
        hooks.restore(state["hooks"])
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return [Epoch(**epoch) for epoch in state["epochs"]]
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise UserError(f"{resume.path}: not of this network and training; delete it to start anew") from error


def _require_fitting(params: FitParams, shape: tuple[int, ...], samples: int) -> None:
    """Raises UserError: images or frames of `shape` can be shifted out of sight, or not be augmented so at all, or the
    one cycle has no step to rise in."""
    shift, rotation, jitter = params.augment.shift, params.augment.rotation, params.augment.jitter
    elastic = params.augment.elastic
    if (shift or rotation or elastic) and len(shape) not in (3, 4):
        found = f"found shift {shift}, rotation {rotation}, elastic {'null' if elastic is None else elastic.alpha}"
        raise UserError(f"augment: {found}; allowed is 0 for samples of {list(shape)}")
    if elastic and len(shape) == 4:
        raise UserError("augment.elastic: frames of events are not distorted; allowed for them is null")
    if rotation and len(shape) == 4:
        raise UserError(f"augment.rotation: found {rotation:g}; allowed for frames of events is 0, no rotation")
    if jitter and (len(shape) != 4 or jitter >= shape[0]):
        most = (
            f"at most {shape[0] - 1} for recordings of {shape[0]} frames" if len(shape) == 4 else "0 for still images"
        )
        raise UserError(f"augment.jitter: found {jitter}; allowed is {most}")
    if shift and shift >= min(shape[-2:]):
        size, most = f"{shape[-2]} x {shape[-1]}", min(shape[-2:]) - 1
        raise UserError(f"augment.shift: found {shift}; allowed for images of {size} is at most {most}")
    if params.schedule == "one_cycle" and params.epochs * -(-samples // params.batch_size) == 1:
        raise UserError(
            f"schedule: found one_cycle over a single step (epochs 1, {samples} samples, batch_size "
            f"{params.batch_size}), whose rate is lr / 250,000; allowed are constant and cosine, or more steps"
        )
