"""Profiles: what the file says, what it must say, and the energy by hand."""

import json
from pathlib import Path

import pytest

from snnprune.core.schema import ParamsError
from snnprune.energy.profiles import Profile, energy_pj, formula_reduction, load_profiles


def test_the_built_in_profiles() -> None:
    profiles = load_profiles()
    figures = {name: (p.mac_pj, p.ac_pj, p.neuron_update_pj) for name, p in profiles.items()}
    expected = {
        "horowitz_45nm_fp32": (4.6, 0.9, 4.6),
        "horowitz_45nm_int8": (0.23, 0.03, 0.23),
        "loihi": (23.6, 23.6, 81.0),
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


@pytest.mark.parametrize(("sparsity", "steps", "expected"), [(0.0, 10, 0.0), (0.7, 9, 0.73), (0.9, 5, 0.95)])
def test_the_papers_formula(sparsity: float, steps: int, expected: float) -> None:
    assert formula_reduction(sparsity, steps, 10) == pytest.approx(expected)
