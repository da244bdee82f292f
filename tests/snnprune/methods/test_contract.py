"""One contract for every pruning method: laws that hold whatever it ranks by."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import Direct, Frames, ModelParams
from snnprune.core.schema import ParamsError, validate
from snnprune.core.training.params import FinetuneParams
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import CriticalityParams, PruneParams
from snnprune.pruning.problem import Problem
from snnprune.pruning.registry import available, load_method
from snnprune.pruning.scores import by_presynaptic_neuron, importance
from snnprune.pruning.select import keep_count
from tests.imports import PROJECT

LEVELS = [0.3, 0.5, 0.8, 0.9, 0.97]
DENSE, CONV = "6x6-10-4", "6x6-2C3-4C3-MP2-12"  # the latter of 18 + 72 + 48 synapses
EVENTS = "2x6x6-3C3S2-12"  # on frames


def lamp_of(weight: Tensor) -> Tensor:
    """w^2 over the sum of the squares that are at least as large, 0 of a zero."""
    squares = weight.double().square()
    at_least = (squares.flatten()[None] >= squares.flatten()[:, None]) * squares.flatten()
    return (squares / at_least.sum(1).view(weight.shape)).nan_to_num(0.0)


# What a method ranks by, where that is known: whatever it keeps must score at least as high as what it prunes.
Score = Callable[[Problem], dict[str, Tensor]]
SCORES: dict[str, Score] = {
    "cqp": lambda problem: importance(problem.weights, problem.criticality(), 0.25),
    "magnitude": lambda problem: {name: weight.abs() for name, weight in problem.weights.items()},
    "osqp": lambda problem: importance(problem.weights, problem.criticality(), 0.25),
    "gradient": lambda problem: problem.criticality("sensitivity"),
    "membrane": lambda problem: problem.criticality("membrane"),
    "osqp_exact": lambda problem: importance(problem.weights, problem.criticality(), 0.25),
    "cqp_gradual": lambda problem: importance(problem.weights, problem.criticality(), 0.25),
    "lamp": lambda problem: {name: lamp_of(weight) for name, weight in problem.weights.items()},
}
# Parameters other than the defaults that choose another score, and that score.
VARIANTS: list[tuple[str, dict[str, object], Score | None]] = [
    (
        "cqp",
        {"alpha": 2.0, "granularity": "neuron"},
        lambda problem: importance(problem.weights, by_presynaptic_neuron(problem.criticality()), 2.0),
    ),
    (
        "osqp",
        {"alpha": 1.0, "granularity": "neuron"},
        lambda problem: importance(problem.weights, by_presynaptic_neuron(problem.criticality()), 1.0),
    ),
    ("obs", {"keep": 0.7, "samples": 15, "damping": 0.1}, None),
    ("cqp_gradual", {"alpha": 0.0, "rounds": 2}, lambda problem: {n: w.abs() for n, w in problem.weights.items()}),
    ("membrane", {"scope": "layer"}, None),
    ("synflow", {"rounds": 1}, None),
    ("gradient", {"kind": "taylor"}, lambda problem: problem.criticality("taylor")),
    ("regrow", {"regrowth": [{"upto": 0.5, "r": 0.5}, {"upto": 0.9, "r": 1.0}]}, None),
]
CASES = [(name, {}, SCORES.get(name)) for name in available()] + VARIANTS


def network_of(layers: str) -> SpikingNetwork:
    torch.manual_seed(0)
    encoding = Frames(name="frames") if layers == EVENTS else Direct(name="direct")
    spec = ModelParams(layers=layers, timesteps=3, threshold=0.2, encoding=encoding)  # low, so that every layer spikes
    return build_network(spec)


def problem_of(network: SpikingNetwork, mask: Mask, level: float, scope: str, seed: int = 0) -> Problem:
    generator = torch.Generator().manual_seed(1)
    images = 3 * torch.rand((40, 1, 6, 6), generator=generator)
    if network.spec.encoding.name == "frames":
        images = torch.poisson(torch.full((40, 3, 2, 6, 6), 0.5), generator=generator).byte()
    train = Split(images, torch.randint(4, (40,), generator=generator))
    params = PruneParams(
        levels=[level],
        scope=scope,
        criticality=CriticalityParams(batches=2, batch_size=20),
        finetune=FinetuneParams(epochs=1, batch_size=1, lr=1.0),
    )
    return make_problem(network, mask, level, train, params, seed_path=(seed, LEVELS.index(level)))


def test_all_are_found() -> None:
    assert {"cqp", "gradient", "magnitude", "membrane", "obs", "osqp", "random", "regrow"} <= set(available())
    assert {"cqp_gradual", "grasp", "lamp", "osqp_exact", "sf_imp", "snip", "synflow", "taylor"} <= set(available())
    assert available() == sorted(available())


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("layers", [DENSE, CONV, EVENTS])
@pytest.mark.parametrize(("name", "given", "score"), CASES)
def test_contract(name: str, given: dict[str, object], score: Score | None, layers: str, scope: str) -> None:
    method, network = load_method(name), network_of(layers)
    params = validate(method.params, given, name)
    mask = Mask.dense(prunable_weights(network))
    for level in LEVELS:
        problem = problem_of(network, mask, level, scope)
        assert problem.keep == keep_count(level, mask.size)
        weights = {key: weight.clone() for key, weight in problem.weights.items()}
        kept_before = mask.vector()
        drawn = torch.get_rng_state()
        found = method.prune(problem, params)

        assert torch.equal(torch.get_rng_state(), drawn)
        assert {key: layer.shape for key, layer in found.items()} == {key: w.shape for key, w in weights.items()}
        assert found.inside(mask)
        assert not method.exact or found.nnz == problem.keep
        assert torch.equal(found.vector(), method.prune(problem, params).vector())
        assert torch.equal(mask.vector(), kept_before)
        assert all(torch.equal(problem.weights[key], weights[key]) for key in weights)
        assert all(torch.equal(w.detach(), weights[key]) for key, w in prunable_weights(network).items())
        if score is not None:
            require_ranked(score(problem), mask, found, scope)

        mask = found
        mask.apply(prunable_weights(network))
    assert mask.nnz < mask.size / 2


def require_ranked(scores: dict[str, Tensor], before: Mask, after: Mask, scope: str) -> None:
    """Every kept score is at least as high as every one pruned at this step, over the network or in each layer."""
    parts = [list(scores)] if scope == "global" else [[name] for name in scores]
    for names in parts:
        kept = torch.cat([scores[name][after[name]] for name in names])
        pruned = torch.cat([scores[name][before[name] & ~after[name]] for name in names])
        assert not len(kept) or not len(pruned) or kept.min() >= pruned.max()


@pytest.mark.parametrize("name", available())
def test_layer_scope_keeps_the_same_share_of_every_layer(name: str) -> None:
    method, network = load_method(name), network_of(CONV)
    mask = Mask.dense(prunable_weights(network))
    problem = problem_of(network, mask, 0.5, "layer")
    assert all(bool(layer.any()) for layer in problem.criticality().values())
    found = method.prune(problem, method.params())
    if method.exact:
        assert [int(layer.sum()) for layer in found.values()] == [9, 36, 24]
    assert all(bool(layer.any()) for layer in found.values())


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        *((name, {"alhpa": 0.5}, "alhpa: unknown key; allowed here: ") for name in available()),
        ("cqp", {"alpha": -0.1}, "alpha: .* greater than or equal to 0; found -0.1"),
        ("cqp", {"tau": 1.5}, "tau: .* less than or equal to 1; found 1.5"),
        ("cqp", {"granularity": "column"}, "granularity: .* 'synapse' or 'neuron'; found 'column'"),
        ("cqp", {"alpha": "half"}, "alpha: .* valid number; found 'half'"),
        ("obs", {"keep": 1.0}, "keep: .* less than 1; found 1.0"),
        ("obs", {"samples": 0}, "samples: .* greater than or equal to 1; found 0"),
        ("obs", {"damping": 0.0}, "damping: .* greater than 0; found 0.0"),
        ("cqp_gradual", {"rounds": 0}, "rounds: .* greater than or equal to 1; found 0"),
        ("membrane", {"scope": "row"}, "scope: .* 'global' or 'layer'; found 'row'"),
        ("synflow", {"rounds": 0}, "rounds: .* greater than or equal to 1; found 0"),
        ("osqp", {"form": "box"}, "form: .* 'budget' or 'energy'; found 'box'"),
        ("osqp", {"max_iter": 0}, "max_iter: .* greater than or equal to 1; found 0"),
        ("osqp", {"tolerance": 0.0}, "tolerance: .* greater than 0; found 0.0"),
        ("osqp", {"tau": None}, "tau: .* valid number; found None"),
        ("regrow", {"regrowth": []}, "regrowth: .* at least 1 item"),
        ("regrow", {"regrowth": [{"upto": 0.9, "r": 0.2}] * 2}, "regrowth: upto must rise strictly"),
        ("regrow", {"regrowth": [{"upto": 0.9, "r": 1.5}]}, r"regrowth\[0\].r: .* less than or equal to 1; found 1.5"),
        ("regrow", {"regrowth": [{"upto": 1.0, "r": 0.5}]}, r"regrowth\[0\].upto: .* less than 1; found 1.0"),
    ],
)
def test_impossible_parameters_are_refused(name: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=f"methods.{name}.{message}"):
        validate(load_method(name).params, given, f"methods.{name}")


def test_an_unknown_method_is_an_error_that_lists_the_choices() -> None:
    with pytest.raises(UserError, match=f"unknown pruning method 'cpq'; available are: {', '.join(available())}"):
        load_method("cpq")


def test_loading_a_method_imports_no_other_one() -> None:
    # dvc.yaml makes a prune stage depend on its own method's file alone.
    script = (
        "import sys\n"
        "from snnprune import methods\n"
        "from snnprune.pruning import registry\n"
        "for name in registry.available():\n"
        "    for other in registry.available():\n"
        "        sys.modules.pop(f'snnprune.methods.{other}', None)\n"
        "        vars(methods).pop(other, None)\n"
        "    registry.load_method(name)\n"
        "    print(name, *(key for key in sys.modules if key.startswith('snnprune.methods.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{name} snnprune.methods.{name}" for name in available()]
