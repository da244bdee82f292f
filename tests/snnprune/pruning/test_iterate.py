"""Iterative pruning: nested exact masks, equal conditions for all methods, broken methods caught, honest figures."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Block
from snnprune.core.seeds import derive_seed
from snnprune.core.training import fit as fit_module
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import Epoch, ResumePoint
from snnprune.core.training.params import Augment, Distillation, FinetuneParams
from snnprune.pruning import iterate
from snnprune.pruning.compensate import Compensation
from snnprune.pruning.iterate import BrokenMethod, PrunedLevel, prune_levels
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import CriticalityParams, PruneParams, Schedule
from snnprune.pruning.problem import Layers, Method, Problem
from snnprune.pruning.registry import available, load_method

LEVELS = [0.5, 0.8, 0.95]
FINETUNE = {"epochs": 2, "batch_size": 20, "lr": 0.01}
PARAMS = PruneParams(
    levels=LEVELS, criticality=CriticalityParams(batches=2, batch_size=20), finetune=FinetuneParams(**FINETUNE)
)
FROZEN = PARAMS.model_copy(update={"criticality": CriticalityParams(batches=2, batch_size=20, frozen=True)})

Dense = Callable[[], SpikingNetwork]
Prune = Callable[..., list[PrunedLevel]]


@pytest.fixture
def prune(dense: Dense, dataset: Dataset) -> Prune:
    """Prunes a new copy of the dense net."""

    def call(method: Method | str, params: PruneParams = PARAMS, **options: object) -> list[PrunedLevel]:
        method = load_method(method) if isinstance(method, str) else method
        return prune_levels(dense(), dataset.train, dataset.validation, method, method.params(), params, **options)

    return call


def same(left: list[PrunedLevel], right: list[PrunedLevel]) -> bool:
    return all(
        torch.equal(one.mask.vector(), other.mask.vector())
        and all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)
        and (one.validation_before, one.validation) == (other.validation_before, other.validation)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("name", [name for name in available() if load_method(name).exact])
def test_masks_are_exact_and_nested_with_nets_under_them(prune: Prune, name: str) -> None:
    seen = []
    levels = prune(name, on_epoch=lambda level, epoch: seen.append((level, epoch.epoch)))
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


def test_levels_are_compensated_for_the_dense_net_or_for_the_one_before(
    prune: Prune, dense: Dense, dataset: Dataset
) -> None:
    options = PARAMS.model_copy(update={"compensate": True})
    straight = prune("magnitude", options.model_copy(update={"finetune": None}))
    compensation = Compensation.on(dense(), dataset.train, seed=derive_seed(0, 0, iterate.COMPENSATION))
    for level in straight:
        expected = copy_parameters(compensation.network(level.mask))
        assert all(torch.equal(level.parameters[name], tensor) for name, tensor in expected.items())
    plain = prune("magnitude", PARAMS.model_copy(update={"finetune": None}))
    assert not same(straight, plain)
    tuned = prune("magnitude", options)
    assert not same(tuned, prune("magnitude"))
    for level in tuned:
        assert not any(level.parameters[name][~layer].any() for name, layer in level.mask.items())


def test_a_method_of_several_rounds_is_not_compensated(prune: Prune, monkeypatch: pytest.MonkeyPatch) -> None:
    options = PARAMS.model_copy(update={"compensate": True})
    assert len(prune("cqp_gradual", options.model_copy(update={"finetune": None}))) == len(LEVELS)
    monkeypatch.setattr(iterate, "make_problem", None)  # nothing is done before
    with pytest.raises(UserError, match="compensate: cqp_gradual prunes while it is fine-tuned"):
        prune("cqp_gradual", options)


def test_another_mask_is_another_run_though_the_weights_are_alike(
    prune: Prune, dense: Dense, dataset: Dataset, tmp_path: Path
) -> None:
    def keeping(last: bool) -> Method:
        def take(problem: Problem, params: Block) -> Mask:
            halves = {name: torch.arange(layer.numel()) < layer.numel() // 2 for name, layer in problem.mask.items()}
            shapes = {name: layer.shape for name, layer in problem.mask.items()}
            return Mask({name: (half ^ last).view(shapes[name]) for name, half in halves.items()})

        return Method("half", Block, take, exact=True)

    silent, params = dense(), PARAMS.model_copy(update={"levels": [0.5]})
    with torch.no_grad():
        for weight in prunable_weights(silent).values():
            weight.zero_()

    def run(last: bool) -> list[PrunedLevel]:
        given = (silent, dataset.train, None, keeping(last), Block(), params)
        return prune_levels(*given, point=lambda level: ResumePoint(tmp_path / "state"))

    start = copy_parameters(silent)
    first = run(last=False)
    load_parameters(silent, start)
    with pytest.raises(UserError, match="state: not of this network and training"):
        run(last=True)
    load_parameters(silent, start)
    assert same(run(last=False), first)


def test_a_schedule_is_run_level_by_level(prune: Prune) -> None:
    schedule = Schedule(name="cubic", final=0.9, rounds=3)
    levels = prune("magnitude", PARAMS.model_copy(update={"levels": None, "schedule": schedule}))
    assert [(level.level, level.mask.nnz) for level in levels] == [(0.633333, 84), (0.866667, 30), (0.9, 23)]


def test_a_method_gives_the_same_twice_and_the_seed_matters(prune: Prune) -> None:
    first = prune("magnitude")
    assert same(first, prune("magnitude"))
    assert not same(first, prune("magnitude", seed=1))


def test_every_method_sees_the_same_batches(prune: Prune, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[list[int]]] = []
    original = fit_module.shuffled_batches

    def recorded(samples: int, batch_size: int, seed: int) -> tuple[Tensor, ...]:
        made = original(samples, batch_size, seed)
        batches[-1] += [batch.tolist() for batch in made]
        return made

    monkeypatch.setattr(fit_module, "shuffled_batches", recorded)
    for name in available():
        batches.append([])
        prune(name)
    assert len(batches[0]) == len(LEVELS) * 2 * 3  # two epochs a level, three batches an epoch
    assert len({str(batch) for batch in batches[0]}) == len(batches[0])
    assert all(other == batches[0] for other in batches[1:])


@pytest.fixture
def criticality_at_levels(prune: Prune, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Prunes, and gives what a method finds as criticality when it asks twice at every level at or above `first`, and
    the synapses of the nets measured."""
    original = iterate.criticality

    def call(params: PruneParams, first: float = 0.5) -> tuple[list[Layers], list[int]]:
        found, measured = [], []

        def spy(network: SpikingNetwork, batches: object, kind: str, *, seed: int) -> dict[str, Tensor]:
            batches = list(batches)
            samples = [image for images, _ in batches for image in images]
            assert len(samples) == 2 * 20
            assert all(any(torch.equal(sample, image) for image in dataset.train.images) for sample in samples)
            measured.append(sum(int(weight.count_nonzero()) for weight in prunable_weights(network).values()))
            return original(network, batches, kind, seed=seed)

        def by_magnitude(problem: Problem, params: Block) -> Mask:
            if problem.keep <= round((1 - first) * 228):
                found.append(problem.criticality())
                problem.criticality()
            return problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})

        monkeypatch.setattr(iterate, "criticality", spy)
        prune(Method("spy", Block, by_magnitude, True), params)
        return found, measured

    return call


def equal(left: Layers, right: Layers) -> bool:
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


def test_frozen_criticality_is_that_of_the_dense_net_whenever_it_is_asked_for(
    criticality_at_levels: Callable[..., tuple[list[Layers], list[int]]],
) -> None:
    frozen, measured = criticality_at_levels(FROZEN)
    late, measured_late = criticality_at_levels(FROZEN, first=0.8)
    anew, measured_anew = criticality_at_levels(PARAMS)
    assert measured == measured_late == [228]  # the dense net, once
    assert measured_anew == [228, 228, 114, 114, 46, 46]
    assert (len(frozen), len(late), len(anew)) == (3, 2, 3)
    assert all(equal(layers, frozen[0]) for layers in [*frozen, *late])
    assert equal(frozen[0], anew[0])  # the first level is measured at the dense net in either case
    assert not equal(anew[1], anew[0])
    assert not equal(anew[2], anew[1])


def test_the_kind_of_criticality_is_the_experiments_unless_the_method_names_one(
    dense: Dense, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = dense()
    weights, asked = prunable_weights(network), []

    def spy(network: SpikingNetwork, batches: object, kind: str, *, seed: int) -> dict[str, Tensor]:
        asked.append(kind)
        return weights

    params = PARAMS.model_copy(update={"criticality": CriticalityParams(kind="taylor", batches=1, batch_size=20)})
    monkeypatch.setattr(iterate, "criticality", spy)
    problem = iterate.make_problem(network, Mask.dense(weights), 0.5, dataset.train, params, seed_path=(0, 0))
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


@pytest.mark.parametrize(("way", "angle"), [("table_of", 0.0), ("taught_by", 5.0)])
def test_distillation_is_from_the_dense_net_always(
    prune: Prune, dense: Dense, monkeypatch: pytest.MonkeyPatch, way: str, angle: float
) -> None:
    teachers: list[SpikingNetwork] = []
    original = getattr(iterate, way)

    def spy(teacher: SpikingNetwork, *arguments: Any) -> Any:
        teachers.append(teacher)
        return original(teacher, *arguments)

    monkeypatch.setattr(iterate, way, spy)
    finetune = FinetuneParams(**FINETUNE | {"augment": Augment(rotation=angle)}, distillation=Distillation())
    levels, plain = prune("magnitude", PARAMS.model_copy(update={"finetune": finetune})), prune("magnitude")
    (teacher,) = teachers
    assert all(torch.equal(now, old) for now, old in zip(teacher.parameters(), dense().parameters(), strict=True))
    assert torch.equal(levels[0].mask.vector(), plain[0].mask.vector())
    assert not same(levels, plain)


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
    prune: Prune, prune_function: Callable[[Problem, Block], Mask], exact: bool, message: str
) -> None:
    with pytest.raises(BrokenMethod, match=message):
        prune(Method("mine", Block, prune_function, exact))


def of_other_shapes(problem: Problem, params: Block) -> Mask:
    return Mask({name: layer[:1] for name, layer in problem.mask.items()})


def of_one_layer(problem: Problem, params: Block) -> Mask:
    return Mask(dict(list(problem.mask.items())[:1]))


def scoring_nothing(problem: Problem, params: Block) -> Mask:
    return problem.keep_top({})


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("prune_function", "message"),
    [
        (of_other_shapes, r"mine: expected a mask of the layers .*\[12, 16\].*; found .*\[1, 16\]"),
        (
            of_one_layer,
            r"mine: expected a mask of .*layers.3.weight.*; found \{'layers.1.weight': \[12, 16\]\}",
        ),
        (scoring_nothing, r"mine: scores of layers.1.weight: expected a tensor \[12, 16\]; found NoneType"),
        (lambda problem, params: None, "mine: prune returned NoneType, expected a Mask"),
    ],
)
def test_what_is_no_mask_of_the_network_is_said_so(
    prune: Prune, prune_function: Callable[[Problem, Block], Mask], message: str, exact: bool
) -> None:
    with pytest.raises(BrokenMethod, match=message):
        prune(Method("mine", Block, prune_function, exact))


def test_a_method_sees_a_network_in_evaluation_mode_and_cannot_write_into_its_weights(prune: Prune) -> None:
    modes = []

    def writing(problem: Problem, params: Block) -> Mask:
        modes.append(problem.network.training)
        kept = problem.keep_top({name: weight.abs() for name, weight in problem.weights.items()})
        for weight in problem.weights.values():
            weight.zero_()
        return kept

    assert same(prune(Method("writing", Block, writing, True)), prune("magnitude"))
    assert modes == [False] * len(LEVELS)  # after fine-tuning, too


def test_a_level_that_leaves_nothing_is_refused_before_any_work(prune: Prune) -> None:
    with pytest.raises(UserError, match="level: found 0.999, which keeps none of 228 synapses; at least one"):
        prune(Method("never", Block, None, True), PARAMS.model_copy(update={"levels": [0.5, 0.999]}))


def test_an_inexact_method_may_miscount(prune: Prune) -> None:
    levels = prune(Method("counter", Block, keeping_one_more, False))
    assert [(level.keep, level.mask.nnz) for level in levels] == [(114, 115), (46, 47), (11, 12)]


def test_accuracies_are_those_of_the_networks(prune: Prune, dense: Dense, dataset: Dataset) -> None:
    levels = prune("magnitude")
    network = dense()
    for level in levels:
        level.mask.apply(prunable_weights(network))
        assert level.validation_before == accuracy(network, dataset.validation)
        load_parameters(network, level.parameters)
        assert level.validation == accuracy(network, dataset.validation)
    found = [value for level in levels for value in (level.validation_before, level.validation)]
    assert len(set(found)) > 2  # they differ, so a mix-up would show


def test_an_interrupted_run_goes_on_and_ends_the_same(prune: Prune, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(level: float, epoch: Epoch) -> None:
        if (level, epoch.epoch) == (0.8, 1):
            raise Interrupted

    def point(level: float) -> ResumePoint:
        return ResumePoint(tmp_path / f"{level}.pt")

    with pytest.raises(Interrupted):
        prune("cqp", point=point, on_epoch=interrupt)
    seen = []
    resumed = prune("cqp", point=point, on_epoch=lambda level, epoch: seen.append((level, epoch.epoch)))
    assert same(resumed, prune("cqp"))
    assert seen == [(level, epoch) for level in LEVELS for epoch in (1, 2)]


def test_one_shot_masks_come_straight_from_the_dense_net(dense: Dense, dataset: Dataset) -> None:
    network, method = dense(), load_method("magnitude")
    masks = iterate.one_shot_masks(network, dataset.train, method, method.params(), PARAMS, seed=0)
    assert [mask.nnz for mask in masks] == [114, 46, 11]
    magnitudes = torch.cat([weight.detach().abs().flatten() for weight in prunable_weights(network).values()])
    for mask in masks:
        assert magnitudes[mask.vector()].min() >= magnitudes[~mask.vector()].max()
    assert all(torch.equal(left, right) for left, right in zip(network.parameters(), dense().parameters(), strict=True))
