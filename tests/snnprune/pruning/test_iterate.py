"""Iterative pruning: nested exact masks, equal conditions for all methods, broken methods caught, honest figures."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.io.resume import Resume
from snnprune.core.checkpoint import load_parameters
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Block
from snnprune.core.training import fit as fit_module
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import Epoch
from snnprune.core.training.loss import Loss
from snnprune.core.training.params import Distillation, FinetuneParams
from snnprune.pruning import iterate
from snnprune.pruning.iterate import BrokenMethod, PrunedLevel, prune_levels
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import CriticalityParams, PruneParams, Schedule
from snnprune.pruning.problem import Layers, Method, Problem
from snnprune.pruning.registry import available, load_method

LEVELS = [0.5, 0.8, 0.95]
PARAMS = PruneParams(
    levels=LEVELS,
    criticality=CriticalityParams(batches=2, batch_size=20),
    finetune=FinetuneParams(epochs=2, batch_size=20, lr=0.01),
)

Dense = Callable[[], SpikingNetwork]
EXACT = [name for name in available() if load_method(name).exact]


def prune(
    network: SpikingNetwork,
    dataset: Dataset,
    method: Method | str,
    params: PruneParams = PARAMS,
    *,
    seed: int = 0,
    resume: str = "none",
    on_epoch: Callable[[float, Epoch], None] = lambda level, epoch: None,
) -> list[PrunedLevel]:
    method = load_method(method) if isinstance(method, str) else method
    folder = Resume(resume, {}, [])
    if resume == "none":
        folder.clear()
    return prune_levels(
        network,
        dataset.train,
        dataset.validation,
        method,
        method.params(),
        params,
        seed=seed,
        point=lambda level: folder.point(f"level-{level}"),
        on_epoch=on_epoch,
    )


def same(left: list[PrunedLevel], right: list[PrunedLevel]) -> bool:
    return all(
        torch.equal(one.mask.vector(), other.mask.vector())
        and all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)
        and (one.validation_before, one.validation) == (other.validation_before, other.validation)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("name", EXACT)
def test_masks_are_exact_and_nested_with_nets_under_them(dense: Dense, dataset: Dataset, work: Path, name: str) -> None:
    seen = []
    levels = prune(dense(), dataset, name, on_epoch=lambda level, epoch: seen.append((level, epoch.epoch)))
    # 16 * 12 + 12 * 3 = 228 synapses; 228 * 0.5 = 114, 228 * 0.2 = 45.6, 228 * 0.05 = 11.4
    assert [(level.level, level.keep, level.mask.nnz) for level in levels] == [
        (0.5, 114, 114),
        (0.8, 46, 46),
        (0.95, 11, 11),
    ]
    assert seen == [(level, epoch) for level in LEVELS for epoch in (1, 2)]
    for earlier, later in pairwise(levels):
        assert later.mask.inside(earlier.mask)
    for level in levels:
        assert not any(level.parameters[name][~layer].any() for name, layer in level.mask.items())
        assert level.parameters["layers.1.bias"].all()


def test_a_method_gives_the_same_twice_and_the_seed_matters(dense: Dense, dataset: Dataset, work: Path) -> None:
    first = prune(dense(), dataset, "magnitude")
    assert same(first, prune(dense(), dataset, "magnitude"))
    assert not same(first, prune(dense(), dataset, "magnitude", seed=1))


def test_every_method_sees_the_same_batches(
    dense: Dense, dataset: Dataset, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[list[int]]] = []
    original = fit_module.shuffled_batches

    def recorded(samples: int, batch_size: int, seed: int) -> tuple[Tensor, ...]:
        made = original(samples, batch_size, seed)
        batches[-1] += [batch.tolist() for batch in made]
        return made

    monkeypatch.setattr(fit_module, "shuffled_batches", recorded)
    for name in available():
        batches.append([])
        prune(dense(), dataset, name)
    assert len(batches[0]) == len(LEVELS) * 2 * 3  # two epochs a level, three batches an epoch
    assert len({str(batch) for batch in batches[0]}) == len(batches[0])
    assert all(other == batches[0] for other in batches[1:])


def changed(**fields: object) -> PruneParams:
    """PARAMS with some fields changed, validated anew."""
    return PruneParams(**{**dict(PARAMS), **fields})


def recorded_criticality(dense: Dense, dataset: Dataset, frozen: bool) -> tuple[list[Layers], list[int]]:
    """What a method finds as criticality at every level, asked for twice; and the synapses of the nets measured."""
    found, measured = [], []
    original = iterate.criticality

    def spy(network: SpikingNetwork, batches: object, kind: str, *, seed: int) -> dict[str, Tensor]:
        batches = list(batches)
        samples = [image for images, _ in batches for image in images]
        assert len(samples) == 2 * 20
        assert all(any(torch.equal(sample, image) for image in dataset.train.images) for sample in samples)
        measured.append(sum(int(weight.count_nonzero()) for weight in prunable_weights(network).values()))
        return original(network, batches, kind, seed=seed)

    def by_magnitude(problem: Problem, params: Block) -> Mask:
        found.append(problem.criticality())
        problem.criticality()
        return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iterate, "criticality", spy)
        criticality = CriticalityParams(batches=2, batch_size=20, frozen=frozen)
        prune(dense(), dataset, Method("spy", Block, by_magnitude, True), changed(criticality=criticality))
    return found, measured


def equal(left: Layers, right: Layers) -> bool:
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


def test_frozen_criticality_is_that_of_the_dense_net_at_every_level(dense: Dense, dataset: Dataset, work: Path) -> None:
    frozen, measured = recorded_criticality(dense, dataset, frozen=True)
    anew, measured_anew = recorded_criticality(dense, dataset, frozen=False)
    assert measured == [228]  # the dense net, once
    assert measured_anew == [228, 228, 114, 114, 46, 46]
    assert len(frozen) == len(anew) == 3
    assert all(equal(later, frozen[0]) for later in frozen[1:])
    assert equal(frozen[0], anew[0])  # the first level is measured at the dense net in either case
    assert not equal(anew[1], anew[0])
    assert not equal(anew[2], anew[1])


def test_frozen_criticality_asked_for_late_is_the_dense_nets_too(dense: Dense, dataset: Dataset, work: Path) -> None:
    found = []

    def late(problem: Problem, params: Block) -> Mask:
        if problem.keep < 114:
            found.append(problem.criticality())
        return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})

    params = changed(criticality=CriticalityParams(batches=2, batch_size=20, frozen=True))
    prune(dense(), dataset, Method("late", Block, late, True), params)
    expected, _ = recorded_criticality(dense, dataset, frozen=True)
    assert len(found) == 2
    assert all(equal(layers, expected[0]) for layers in found)


def test_a_frozen_run_differs_where_criticality_decides_only(dense: Dense, dataset: Dataset, work: Path) -> None:
    params = changed(criticality=CriticalityParams(batches=2, batch_size=20, frozen=True))
    for name, alike in (("magnitude", True), ("cqp", False), ("membrane", False)):
        frozen, anew = prune(dense(), dataset, name, params), prune(dense(), dataset, name)
        assert torch.equal(frozen[0].mask.vector(), anew[0].mask.vector())
        assert same(frozen, anew) == alike


def test_the_kind_of_criticality_is_the_experiments_unless_the_method_names_one(dense: Dense, dataset: Dataset) -> None:
    network = dense()
    asked: list[str] = []

    def spy(network: SpikingNetwork, batches: object, kind: str, *, seed: int) -> dict[str, Tensor]:
        asked.append(kind)
        return {name: torch.zeros_like(weight) for name, weight in prunable_weights(network).items()}

    params = changed(criticality=CriticalityParams(kind="taylor", batches=1, batch_size=20))
    mask = Mask.dense(prunable_weights(network))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iterate, "criticality", spy)
        problem = iterate.make_problem(network, mask, 0.5, dataset.train, params, seed_path=(0, 0))
        problem.criticality()
        problem.criticality("membrane")
    assert asked == ["taylor", "membrane"]


def test_a_problem_may_be_about_some_of_the_layers(dense: Dense, dataset: Dataset) -> None:
    network = dense()
    first = {"layers.1.weight": prunable_weights(network)["layers.1.weight"]}
    problem = iterate.make_problem(network, Mask.dense(first), 0.75, dataset.train, PARAMS, seed_path=(0, 0))
    assert problem.keep == 48  # a quarter of 16 * 12
    assert list(problem.weights) == list(problem.criticality()) == list(first)
    mask = load_method("cqp").prune(problem, load_method("cqp").params())
    assert (list(mask), mask.nnz) == (list(first), 48)


def test_distillation_is_from_the_dense_net_always(
    dense: Dense, dataset: Dataset, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teachers: list[SpikingNetwork] = []
    original = iterate.distilled

    def spy(teacher: SpikingNetwork, params: Distillation, base: Loss) -> Loss:
        teachers.append(teacher)
        return original(teacher, params, base)

    monkeypatch.setattr(iterate, "distilled", spy)
    finetune = FinetuneParams(epochs=2, batch_size=20, lr=0.01, distillation=Distillation(temperature=2.0, weight=0.5))
    network = dense()
    levels = prune(network, dataset, "magnitude", changed(finetune=finetune))
    (teacher,) = teachers
    assert teacher is not network
    assert not teacher.training
    assert all(torch.equal(now, old) for now, old in zip(teacher.parameters(), dense().parameters(), strict=True))
    assert all(parameter.grad is None for parameter in teacher.parameters())
    plain = prune(dense(), dataset, "magnitude")
    assert len(teachers) == 1
    assert torch.equal(levels[0].mask.vector(), plain[0].mask.vector())
    assert not same(levels, plain)


@pytest.mark.parametrize(
    ("name", "rounds", "levels", "keeps"),
    [
        ("one_shot", 1, [0.9], [23]),
        ("linear", 3, [0.3, 0.6, 0.9], [160, 91, 23]),
        ("cubic", 3, [0.633333, 0.866667, 0.9], [84, 30, 23]),
        ("geometric", 2, [0.683772, 0.9], [72, 23]),
    ],
)
def test_a_schedule_is_run_level_by_level(
    dense: Dense, dataset: Dataset, work: Path, name: str, rounds: int, levels: list[float], keeps: list[int]
) -> None:
    schedule = Schedule(name=name, final=0.9, rounds=rounds)
    found = prune(dense(), dataset, "magnitude", changed(levels=None, schedule=schedule))
    assert [(level.level, level.keep, level.mask.nnz) for level in found] == [
        (level, keep, keep) for level, keep in zip(levels, keeps, strict=True)
    ]
    assert all(later.mask.inside(earlier.mask) for earlier, later in pairwise(found))


def reviving(problem: Problem, params: Block) -> Mask:
    """Exactly as many as asked, but at random over the whole network."""
    order = torch.randperm(problem.mask.size, generator=torch.Generator().manual_seed(problem.seed % 2**32))
    vector = torch.zeros(problem.mask.size, dtype=torch.bool)
    vector[order[: problem.keep]] = True
    return problem.mask.with_vector(vector)


def keeping_one_more(problem: Problem, params: Block) -> Mask:
    vector = problem.keep_top(problem.weights).vector()
    vector[(problem.mask.vector() & ~vector).nonzero()[0]] = True
    return problem.mask.with_vector(vector)


@pytest.mark.parametrize(
    ("prune_function", "exact", "message"),
    [
        (reviving, True, "mine: the mask revives synapses"),
        (reviving, False, "mine: the mask revives synapses"),
        (keeping_one_more, True, "mine: the mask keeps 115 synapses, asked were 114"),
    ],
)
def test_a_method_that_breaks_its_contract_is_caught(
    dense: Dense, dataset: Dataset, work: Path, prune_function: Callable, exact: bool, message: str
) -> None:
    with pytest.raises(BrokenMethod, match=message):
        prune(dense(), dataset, Method("mine", Block, prune_function, exact))


def test_an_inexact_method_may_miscount(dense: Dense, dataset: Dataset, work: Path) -> None:
    levels = prune(dense(), dataset, Method("counter", Block, keeping_one_more, False))
    assert [(level.keep, level.mask.nnz) for level in levels] == [(114, 115), (46, 47), (11, 12)]


def test_accuracies_are_those_of_the_networks(dense: Dense, dataset: Dataset, work: Path) -> None:
    levels = prune(dense(), dataset, "magnitude")
    network = dense()
    for level in levels:
        level.mask.apply(prunable_weights(network))
        assert level.validation_before == accuracy(network, dataset.validation)
        load_parameters(network, level.parameters)
        assert level.validation == accuracy(network, dataset.validation)
    found = [value for level in levels for value in (level.validation_before, level.validation)]
    assert len(set(found)) > 2  # they differ, so a mix-up would show


def test_an_interrupted_run_goes_on_and_ends_the_same(dense: Dense, dataset: Dataset, work: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(level: float, epoch: Epoch) -> None:
        if (level, epoch.epoch) == (0.8, 1):
            raise Interrupted

    with pytest.raises(Interrupted):
        prune(dense(), dataset, "cqp", resume="stage", on_epoch=interrupt)
    seen = []
    resumed = prune(dense(), dataset, "cqp", resume="stage", on_epoch=lambda level, epoch: seen.append((level, epoch)))
    assert same(resumed, prune(dense(), dataset, "cqp"))
    assert [(level, epoch.epoch) for level, epoch in seen] == [(level, epoch) for level in LEVELS for epoch in (1, 2)]


def test_one_shot_masks_come_straight_from_the_dense_net(dense: Dense, dataset: Dataset) -> None:
    network, method = dense(), load_method("magnitude")
    masks = iterate.one_shot_masks(network, dataset.train, method, method.params(), PARAMS, seed=0)
    assert [mask.nnz for mask in masks] == [114, 46, 11]
    magnitudes = torch.cat([weight.detach().abs().flatten() for weight in prunable_weights(network).values()])
    for mask in masks:
        assert magnitudes[mask.vector()].min() >= magnitudes[~mask.vector()].max()
    assert all(torch.equal(left, right) for left, right in zip(network.parameters(), dense().parameters(), strict=True))
