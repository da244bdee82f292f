"""Temporal truncation: how soon the class distribution stands, and what stopping there costs in accuracy. For every net
KL_t and validation accuracy at each step, T' by `divergence.enough_steps` on validation, then the net run for T' steps,
and for all T, on test."""

import pydantic

from pipeline.io.files import Row
from pipeline.study import EVERY_STEP, FEWER_STEPS, NETS, Inputs, Net, NetsParams
from snnprune.core.dataset import Dataset
from snnprune.core.schema import Fraction
from snnprune.core.training.evaluate import accuracy_by_step, spikes_of
from snnprune.temporal.divergence import authors_steps, enough_steps, kl_by_step, kl_of_mean_by_step

NEEDS = NETS
ASKS = (FEWER_STEPS, EVERY_STEP)


class Params(NetsParams):
    """When fewer time steps are enough: T' is the first step with KL_t <= epsilon and little accuracy lost. epsilon:
    nats. delta: validation accuracy that may be lost, as a fraction (0.002 is 0.2 points)."""

    epsilon: pydantic.NonNegativeFloat = 0.02
    delta: Fraction = 0.002


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per net and step."""
    return inputs.rows_of_nets(seed, lambda net: rows_of_net(net, inputs.dataset, inputs.params))


def rows_of_net(net: Net, dataset: Dataset, params: Params) -> list[Row]:
    """One row per step of a net; test accuracy only for T' (`chosen`), the author's step (`authors`) and T."""
    spikes = spikes_of(net.network, dataset.validation)
    kl, kl_of_mean = kl_by_step(spikes), kl_of_mean_by_step(spikes)
    validation = accuracy_by_step(spikes, dataset.validation.labels)
    chosen, authors = enough_steps(kl, validation, params.epsilon, params.delta), authors_steps(kl_of_mean)
    tested = {
        steps: accuracy_by_step(spikes_of(net.network, dataset.test, steps), dataset.test.labels)[-1].item()
        for steps in {chosen, authors, len(kl)}
    }
    return [
        {
            "method": net.method,
            "level": net.level,
            "step": step,
            "kl": kl[step - 1].item(),
            "kl_of_mean": kl_of_mean[step - 1].item(),
            "validation_accuracy": validation[step - 1].item(),
            "chosen": step == chosen,
            "authors": step == authors,
            "accuracy": tested.get(step),
        }
        for step in range(1, len(kl) + 1)
    ]
