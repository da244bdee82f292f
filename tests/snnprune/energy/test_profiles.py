"""Profiles: what the file says, what it must say, and the energy by hand."""

import json
from pathlib import Path

import pytest

from snnprune.core.schema import ParamsError
from snnprune.energy.profiles import (
    Memory,
    Profile,
    energies,
    energy_parts,
    energy_pj,
    formula_reduction,
    index_width,
    load_profiles,
)


def test_the_built_in_profiles() -> None:
    profiles = load_profiles()
    figures = {name: (p.mac_pj, p.ac_pj, p.neuron_update_pj) for name, p in profiles.items()}
    expected = {
        "horowitz_45nm_fp32": (4.6, 0.9, 4.6),
        "horowitz_45nm_int8": (0.23, 0.03, 0.23),
        "loihi": (23.6, 23.6, 81.0),
        "horowitz_45nm_fp32_sram": (4.6, 0.9, 4.6),
        "horowitz_45nm_int8_sram": (0.23, 0.03, 0.23),
    }
    assert expected.items() <= figures.items()  # a user may have added others
    assert all(profile.source for profile in profiles.values())


MINE = {"mac_pj": 2, "ac_pj": 1.5, "neuron_update_pj": 0, "source": "measured"}


def test_a_user_adds_a_profile_without_code(tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps({"mine": MINE}), encoding="utf-8")
    assert load_profiles(file)["mine"].ac_pj == 1.5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "expected a mapping of profile names"),
        ('{"mine": [', "profiles.json: not valid JSON"),
        (json.dumps({"mine": MINE | {"ac_pj": 0}}), r"mine\.ac_pj: .*greater than 0; found 0"),
        (json.dumps({"28nm (mine)": {}}), r"allowed in a profile's name are letters.*; found '28nm \(mine\)'"),
        (json.dumps({"mine": {"mac_pj": 2, "ac_pj": 1, "source": "x"}}), r"mine\.neuron_update_pj: missing"),
        (json.dumps({"mine": MINE | {"sop_pj": 1}}), r"mine\.sop_pj: unknown key"),
        (json.dumps({"mine": MINE | {"memory": {"value_bits": 0}}}), r"mine\.memory\.value_bits: .*found 0"),
    ],
)
def test_a_wrong_profile_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "profiles.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=problem):
        load_profiles(file)


def test_energy_by_hand() -> None:
    profile = Profile(mac_pj=4.0, ac_pj=1.0, neuron_update_pj=0.5, source="by hand")
    assert energy_pj(macs=10, acs=5, neuron_updates=8, profile=profile) == 10 * 4 + 5 * 1 + 8 * 0.5


def test_energy_with_memory_by_hand() -> None:
    """Ten operations, 24 bits of indices, two updates. Weights: 10 * 8 + 24 bits at 0.5 pJ. States of 16 bits at 0.25
    pJ: each operation reads and writes one, each update reads two and writes one."""
    memory = Memory(weight_pj_per_bit=0.5, value_bits=8, state_pj_per_bit=0.25, state_bits=16)
    profile = Profile(mac_pj=4.0, ac_pj=1.0, neuron_update_pj=0.5, source="by hand", memory=memory)
    parts = energy_parts(4, 6, 2, profile, 24)
    assert (parts.macs, parts.acs, parts.neurons, parts.weights, parts.states) == (16, 6, 1, 52, 104)
    assert energy_pj(4, 6, 2, profile, 24) == parts.total == 179
    assert energy_pj(4, 6, 2, profile.model_copy(update={"memory": None}), 24) == 23


def test_both_conventions_by_hand() -> None:
    memory = Memory(weight_pj_per_bit=1, value_bits=1, state_pj_per_bit=0, state_bits=1)
    profile = Profile(mac_pj=2, ac_pj=1, neuron_update_pj=1, source="by hand", memory=memory)
    counts = {"macs": 10, "macs_once": 2, "acs": 3, "neuron_updates": 4, "index_bits": 26, "index_bits_once": 10}
    expected = {"energy_pj_mine": 20 + 3 + 4 + 13 + 26, "energy_once_pj_mine": 4 + 3 + 4 + 5 + 10}
    assert energies(counts, {"mine": profile}) == expected


@pytest.mark.parametrize(
    ("synapses", "nnz", "targets", "bits"),
    [(20, 20, 10, 0), (20, 19, 10, 4), (32, 3, 16, 4), (34, 3, 17, 5), (2, 1, 1, 0)],
)
def test_an_index_names_a_target_and_a_dense_layer_needs_none(synapses: int, nnz: int, targets: int, bits: int) -> None:
    assert index_width(synapses, nnz, targets) == bits


@pytest.mark.parametrize(("sparsity", "steps", "expected"), [(0.0, 10, 0.0), (0.7, 9, 0.73), (0.9, 5, 0.95)])
def test_the_papers_formula(sparsity: float, steps: int, expected: float) -> None:
    assert formula_reduction(sparsity, steps, 10) == pytest.approx(expected)
