"""Pruning within limits, by every method of the registry: what holds of the masks, the nets and the errors."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import snnprune
from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import as_split
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError
from snnprune.energy.profiles import load_profiles
from snnprune.limits import prune as limits_prune
from snnprune.limits.costs import costs_of
from snnprune.limits.params import PROFILE, Limits
from snnprune.limits.prune import _level
from snnprune.limits.ranking import scores_of
from snnprune.pruning import iterate
from snnprune.pruning.mask import Mask, flatten, prunable_weights
from snnprune.pruning.registry import available
from tests.snnprune.adapters.own_nets import Residual

SCORED = ["cqp", "gradient", "magnitude", "random"]
ALSO_SCORED = ["cqp_gradual", "grasp", "lamp", "sf_imp", "snip", "taylor", "wanda"]
OTHERS = sorted(set(available()) - {*SCORED, *ALSO_SCORED})
DENSE, CONV = [36, 14, 11, 4], "6x6-4C3-6C2-4"  # of 504 + 154 + 44 and 36 + 96 + 216 synapses
STRUCTURES: list[dict[str, Any]] = [{"fan_in": 5}, {"pattern": (2, 4)}, {"fan_in": 7, "pattern": (1, 3)}]
GRADUAL = {"method": "cqp_gradual", "finetune": snnprune.Finetune(epochs=2, batch_size=10)}  # of 12 steps
BUDGETS = [{"max_bytes": 900}, {"max_operations": 400}, {"max_energy_pj": 2500}]


def data(count: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 4
    images = 0.2 * torch.rand((count, 1, 6, 6), generator=generator)
    return images + (labels[:, None, None, None] == torch.arange(36).reshape(6, 6) % 4), labels


def net(layers: Any = DENSE) -> snnprune.SpikingNetwork:
    return snnprune.build(layers, timesteps=4, threshold=0.2)


def prune(layers: Any = DENSE, **options: Any) -> snnprune.Pruned:
    return snnprune.prune(net(layers), data(), **options)


def require_structure(mask: Mask, fan_in: int | None = None, pattern: tuple[int, int] | None = None) -> None:
    for layer in mask.values():
        rows = layer.flatten(1)
        assert fan_in is None or rows.sum(1).max() <= fan_in
        if pattern is not None:
            n, m = pattern
            assert all(rows[:, at : at + m].sum(1).max() <= n for at in range(0, rows.shape[1], m))


@pytest.mark.parametrize("layers", [DENSE, CONV])
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("method", SCORED)
def test_levels_within_a_structure_are_exact_and_nested(method: str, structure: dict[str, Any], layers: Any) -> None:
    pruned = prune(layers, method=method, level=[0.9, 0.95], finetune=snnprune.Finetune(epochs=1), **structure)
    size = pruned.mask.size
    assert [step.mask.nnz for step in pruned.levels] == [round(0.1 * size), round(0.05 * size)]
    assert pruned.levels[1].mask.inside(pruned.levels[0].mask)
    for step in pruned.levels:
        require_structure(step.mask, **structure)
    for name, layer in pruned.mask.items():
        assert not pruned.network.get_parameter(name)[~layer].any()


@pytest.mark.parametrize("layers", [DENSE, CONV])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_structure_alone_leaves_all_that_it_allows(structure: dict[str, Any], layers: Any) -> None:
    pruned = prune(layers, method="magnitude", **structure)
    rows = [layer.flatten(1) for layer in pruned.mask.values()]
    k = structure.get("fan_in", 10_000)
    n, m = structure.get("pattern", (1, 1))
    allowed = [len(row) * min(k, row.shape[1] // m * n + min(n, row.shape[1] % m)) for row in rows]
    assert [int(row.sum()) for row in rows] == allowed
    assert pruned.levels[0].keep == pruned.nnz


@pytest.mark.parametrize("structure", [{}, {"fan_in": 6, "pattern": (2, 4)}, {"neurons": True}, {"per_cost": True}])
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("method", SCORED)
def test_a_budget_holds_after_fine_tuning(method: str, budget: dict[str, float], structure: dict[str, Any]) -> None:
    pruned = prune(method=method, finetune=snnprune.Finetune(epochs=2), **budget, **structure)
    (key, limit), found = next(iter(budget.items())), pruned.achieved
    assert found.within and getattr(found, key.removeprefix("max_")) <= limit
    assert (found.nnz, found.sparsity) == (pruned.nnz, pruned.sparsity)
    counted = snnprune.count_operations(pruned.network, data())
    assert found.operations == pytest.approx(counted.macs_once + counted.acs)
    assert all(later.mask.inside(step.mask) for step, later in zip(pruned.levels[:-1], pruned.levels[1:], strict=True))
    if "neurons" not in structure:
        assert 0 < found.of_bound <= 1 + 1e-9
        require_structure(pruned.mask, *(structure.get(key) for key in ("fan_in", "pattern")))


def test_bytes_are_used_up_to_less_than_a_synapse() -> None:
    assert 900 - 5 < prune(method="magnitude", max_bytes=900).achieved.bytes <= 900


@pytest.mark.parametrize("layers", [DENSE, CONV])
@pytest.mark.parametrize("method", SCORED)
def test_whole_neurons_leave_no_half_ones(method: str, layers: Any) -> None:
    """What the kept rows of a layer and the kept rows before it join is kept whole; at most as much as the level."""
    pruned = prune(layers, method=method, level=0.6, neurons=True)
    assert pruned.nnz <= round(0.4 * pruned.mask.size) < pruned.nnz + 60
    before = torch.ones(1 if layers == CONV else 36, dtype=torch.bool)
    for layer in pruned.mask.values():
        rows = layer.flatten(1).any(1)
        channels = layer.reshape(len(layer), len(before), -1)
        assert torch.equal(channels, (rows[:, None] & before)[:, :, None].expand_as(channels))
        before = rows
    assert before.all()


def test_a_budget_of_energy_below_what_all_neurons_take_is_met_without_some() -> None:
    """Updates of all 29 neurons take 534 pJ; nothing more than a neuron's worth is left of 400."""
    pruned = prune(method="magnitude", max_energy_pj=400, neurons=True)
    assert pruned.achieved.within and pruned.achieved.energy_pj > 300
    assert sum(int(layer.any(1).sum()) for layer in pruned.mask.values()) < 29


@pytest.mark.parametrize("structure", [{}, {"fan_in": 3}, {"per_cost": True}])
@pytest.mark.parametrize("method", SCORED)
def test_single_synapses_meet_it_too_for_neurons_without_any_are_not_updated(
    method: str, structure: dict[str, Any]
) -> None:
    """What it takes falls short of the budget by the operations of synapses whose neurons went silent."""
    achieved = prune(method=method, max_energy_pj=400, **structure).achieved
    assert achieved.within and achieved.energy_pj > 280
    assert 0 < achieved.of_bound < 1 and "; at least " in str(achieved)


def test_one_synapse_more_would_not_come_within_a_budget_of_energy() -> None:
    """The mask is a beginning of the ranking. With the next synapse the spikes before pruning and the neurons that
    still matter cost more than the budget."""
    network, limit = net(), 400
    kept = prune(method="magnitude", max_energy_pj=limit).mask
    costs = costs_of("energy_pj", network, as_split(data()), load_profiles()[PROFILE])
    scores = {name: weight.detach().abs() for name, weight in prunable_weights(network).items()}
    order = flatten(scores).sort(descending=True, stable=True).indices
    order = order[flatten(costs.by_synapse)[order] > 0]
    assert kept.vector().nonzero().flatten().tolist() == order[: kept.nnz].sort().values.tolist()
    more = kept.with_vector(kept.vector().index_fill(0, order[kept.nnz], True))
    assert costs.of(kept) <= limit < costs.of(more)


@pytest.mark.parametrize("method", ALSO_SCORED)
def test_every_method_of_scores_keeps_to_limits(method: str) -> None:
    pruned = prune(method=method, level=0.9, finetune=snnprune.Finetune(epochs=1), fan_in=5)
    assert pruned.nnz == 70  # of 702
    require_structure(pruned.mask, 5)


def test_rounds_are_a_method_s_own_where_limits_allow_all() -> None:
    """Every neuron has at most 36 inputs."""
    level = {"level": [0.5, 0.9]}
    free, within = prune(**level, **GRADUAL), prune(**level, **GRADUAL, fan_in=36)
    assert torch.equal(free.mask.vector(), within.mask.vector())
    assert not torch.equal(free.mask.vector(), prune(**level, **{**GRADUAL, "method": "cqp"}).mask.vector())


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_rounds_keep_to_a_structure_that_allows_less_than_they_ask(scope: str) -> None:
    """Five inputs for each of 29 neurons are 145 synapses; three rounds on the way to 70 ask for 394, 222 and 125."""
    pruned = prune(level=[0.9, 0.95], scope=scope, fan_in=5, **GRADUAL)
    assert [step.mask.nnz for step in pruned.levels] == [70, 35]
    for step in pruned.levels:
        require_structure(step.mask, 5)
    with pytest.raises(UserError, match="cannot keep|are to be kept, but the limits leave 145"):
        prune(level=0.5, scope=scope, fan_in=5, **GRADUAL)


def test_rounds_of_whole_neurons() -> None:
    pruned = prune(level=0.6, neurons=True, **GRADUAL)
    assert 0 < pruned.nnz <= 281


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("limit", [{"fan_in": 5}, {"max_bytes": 900}, {"neurons": True, "level": 0.5}])
def test_methods_that_score_no_synapses_are_refused(method: str, limit: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"method: limits need one that gives every synapse a score.* '{method}'"):
        prune(method=method, **limit)


def test_own_forwards_too() -> None:
    adapted = snnprune.adapt(Residual(), data()[0], fast=False)
    options = {"method": "magnitude", "finetune": snnprune.Finetune(epochs=1)}
    pruned = snnprune.prune(adapted.network, data(), max_operations=300, fan_in=6, **options)
    require_structure(pruned.mask, 6)
    assert pruned.achieved.within
    with pytest.raises(UserError, match="neurons: whole ones can be removed of a plain sequence of layers; this runs"):
        snnprune.prune(adapted.network, data(), level=0.5, neurons=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_bytes": 5}, r"max_bytes: found 5; the least that is possible is 133, with one synapse, the best \(128 "),
        ({"max_energy_pj": 10}, r"max_energy_pj: found 10; the least .* one synapse, the best \(74 are the net's what"),
        ({"max_energy_pj": 10, "neurons": True}, r"found 10; the least .* one neuron in each hidden layer \(74 are"),
        ({"max_bytes": 300, "neurons": True}, "the least .* is 333, with one neuron in each hidden layer"),
        ({"max_bytes": 1e6}, "max_bytes: the network takes 3,638 as it is; there is nothing to prune"),
        ({"max_bytes": 900, "level": 0.5}, "level: cannot be given with max_bytes"),
        ({"max_bytes": 900, "max_operations": 4}, "prune: give one budget; found max_bytes, max_operations"),
        ({"fan_in": 2, "level": 0.5}, "351 synapses are to be kept, but .* leave 58: the lowest level is 0.917$"),
        ({"neurons": True}, "neurons: how many go is said by a level or a budget; found neither"),
        ({"neurons": True, "level": 0.95}, "35 synapses are to be kept; one neuron in each hidden layer has 41"),
        ({"neurons": True, "level": 0.5, "scope": "layer"}, "scope: neurons are ranked over .*; found 'layer'"),
        ({"fan_in": 0}, "prune.fan_in: .* greater than or equal to 1; found 0"),
        ({"pattern": (4, 2)}, r"pattern: n must be smaller than m, such as \[2, 4\]; found \[4, 2\]"),
        ({"pattern": (2, 4, 8)}, "prune.pattern: .* at most 2 items"),
        ({"max_bytes": -1}, "prune.max_bytes: .* greater than 0; found -1"),
        ({"max_energy_pj": 1e4, "profile": "tpu"}, "prune.profile: allowed are horowitz_45nm_fp32, .*; found 'tpu'"),
        ({"fan_in": 5, "method": "cqp", "method_params": {"tau": 0.9}}, "allow no protected synapses; cqp protects"),
        ({"max_bytes": 900, "method": "grasp"}, "method: .* add up scores, which must not be below 0; grasp's are"),
        ({"neurons": True, "level": 0.5, "method": "grasp"}, "method: .* which must not be below 0; grasp's are"),
        ({"max_bytes": 900, "scope": "layer"}, r"scope: a budget is of the whole network \(global\); found 'layer'"),
        ({"per_cost": True}, "per_cost: it is how a budget is filled; found none"),
        ({"per_cost": True, "level": 0.5, "fan_in": 5}, "per_cost: it is how a budget is filled; found none"),
        ({"max_bytes": 900, **GRADUAL}, "method: a budget, .* one round; cqp_gradual has several, .* give a level"),
        ({"fan_in": 5, **GRADUAL}, "method: a budget, or a structure alone, .* one round; cqp_gradual has several"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prune(**{"method": "magnitude", **options})


def test_the_lowest_level_that_an_error_names_is_possible() -> None:
    """4,228 of 24,000 synapses are left: at 0.8238 there would be one more."""
    options = {"layers": [36, 600, 4], "method": "magnitude", "fan_in": 7}
    with pytest.raises(UserError, match="leave 4,228: the lowest level is ") as refused:
        prune(level=0.3, **options)
    assert prune(level=float(str(refused.value).rpartition(" ")[2]), **options).nnz == 4228


@pytest.mark.parametrize("neurons", [False, True])
@pytest.mark.parametrize("key", ["max_bytes", "max_operations", "max_energy_pj"])
def test_the_least_budget_that_an_error_names_is_possible(key: str, neurons: bool) -> None:
    with pytest.raises(UserError, match="the least that is possible is ") as refused:
        prune(method="magnitude", neurons=neurons, **{key: 0.01})
    assert f"{key}: found 0.01; " in str(refused.value)
    least = float(re.search(r"possible is ([\d,]+)", str(refused.value))[1].replace(",", ""))
    assert prune(method="magnitude", neurons=neurons, **{key: least}).nnz


def test_schema_errors_are_of_the_params() -> None:
    with pytest.raises(ParamsError):
        prune(fan_in=0)


def test_the_same_again_and_nothing_else_is_touched() -> None:
    network, drawn = net(), torch.get_rng_state()
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    options = {"method": "cqp", "max_operations": 400, "finetune": snnprune.Finetune(epochs=1)}
    first, second = (snnprune.prune(network, data(), **options) for _ in range(2))
    assert torch.equal(first.mask.vector(), second.mask.vector()) and first.achieved == second.achieved
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(parameter, before[name]) for name, parameter in network.named_parameters())


def test_without_limits_nothing_is_said_and_the_level_is_0_9() -> None:
    pruned = prune(method="magnitude")
    assert (pruned.achieved, pruned.nnz) == (None, round(0.1 * 702))
    assert not Limits().any


@pytest.mark.parametrize(("kept", "size", "level"), [(1, 2, 0.5), (1, 3, 0.67), (70, 702, 0.9), (999, 1000, 0.001)])
def test_a_mask_s_level_has_as_few_digits_as_give_its_count(kept: int, size: int, level: float) -> None:
    assert _level(Mask({"w": torch.arange(size)[None] < kept})) == level


def test_a_later_round_that_finds_nothing_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The net that was fine-tuned is returned, and says that it is over its budget."""
    chosen = limits_prune._chosen
    rounds: list[Mask] = []

    def once(scores: Any, mask: Mask, costs: Any, limit: float, limits: Limits) -> Any:
        if rounds:
            raise limits_prune.Impossible("nothing")
        rounds.append(mask)
        return chosen(scores, mask, costs, 1.7 * limit, limits)

    monkeypatch.setattr(limits_prune, "_chosen", once)
    pruned = prune(method="magnitude", max_operations=200)
    assert len(pruned.levels) == 1
    assert pruned.achieved.within is False and pruned.achieved.operations > 200


@pytest.fixture
def two_rounds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A budget that the first round misses."""
    chosen, rounds = limits_prune._chosen, []

    def first_too_much(scores: Any, mask: Mask, costs: Any, limit: float, limits: Limits) -> Any:
        rounds.append(mask)
        return chosen(scores, mask, costs, limit if len(rounds) > 1 else 1.7 * limit, limits)

    monkeypatch.setattr(limits_prune, "_chosen", first_too_much)
    return {"method": "gradient", "max_operations": 200}


def test_every_round_distils_from_the_dense_net_and_goes_on_from_the_one_before(
    two_rounds: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    targets, finetune = iterate._targets, iterate.finetune
    teachers, starts = [], []

    def seen_targets(teacher: nn.Module, *others: Any) -> Any:
        teachers.append(copy_parameters(teacher))
        return targets(teacher, *others)

    def seen_finetune(network: nn.Module, *others: Any, **options: Any) -> Any:
        starts.append(copy_parameters(network))
        return finetune(network, *others, **options)

    monkeypatch.setattr(iterate, "_targets", seen_targets)
    monkeypatch.setattr(iterate, "finetune", seen_finetune)
    epochs = snnprune.Finetune(epochs=2, distillation=snnprune.Distillation())
    first, second = prune(**two_rounds, finetune=epochs).levels
    dense = copy_parameters(net())
    assert len(teachers) == 2
    for name, weight in dense.items():
        assert torch.equal(teachers[0][name], weight) and torch.equal(teachers[1][name], weight)
        kept = second.mask.get(name, torch.tensor(True))
        assert torch.equal(starts[1][name], first.parameters[name] * kept)
    assert any(not torch.equal(first.parameters[name], dense[name]) for name in dense if "bias" in name)


def test_without_epochs_every_round_is_compensated_for_the_dense_net(two_rounds: dict[str, Any]) -> None:
    second = prune(**two_rounds, compensate=True).levels[1]
    expected = copy_parameters(snnprune.compensate(net(), second.mask, data()))
    for name, weight in second.parameters.items():
        assert torch.allclose(weight, expected[name], atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_criticality_is_the_dense_net_s_in_every_round(
    frozen: bool, two_rounds: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def seen(*given: Any, **options: Any) -> Any:
        found.append(scores_of(*given, **options))
        return found[-1]

    monkeypatch.setattr(limits_prune, "scores_of", seen)
    options = {"finetune": snnprune.Finetune(epochs=1), "criticality": snnprune.Criticality(frozen=frozen)}
    prune(**two_rounds, **options)
    assert len(found) == 2
    assert torch.equal(flatten(found[0]), flatten(found[1])) == frozen


def test_without_a_score_there_is_nothing_to_choose() -> None:
    """All weights are 0, and so is their magnitude."""
    network = net()
    for weight in prunable_weights(network).values():
        weight.data.zero_()
    for budget in ({"max_bytes": 1}, {"max_bytes": 900}, {"max_energy_pj": 1}, {"max_energy_pj": 60}):
        with pytest.raises(UserError, match="^max_[a-z_]+: no synapse has both a score above 0 and an input"):
            snnprune.prune(network, data(), method="magnitude", **budget)
