"""The benchmark on frames of events: its forms compute the same, and most of its values are zero."""

from contextlib import ExitStack

import pytest
import torch

from benchmarks.speed.events import forms, main, make_case
from benchmarks.speed.measure import Effort

LAYERS = (200, 16, 3)


def test_its_recordings_are_nearly_empty_and_its_forms_agree() -> None:
    case = make_case(0.8, 20, LAYERS)
    assert 0.85 < (case.batch.images == 0).float().mean() < 0.97
    assert case.mask.nnz == round(0.2 * case.mask.size)
    with ExitStack() as stack:
        found = forms(case, stack)
        counts = [step() for step in found["infer"].values()]
    assert set(found["train"]) == {"ours", "events", "synapses", "dense"}
    assert all(torch.equal(one, counts[0]) for one in counts)


def test_it_says_how_long_each_form_takes(capsys: pytest.CaptureFixture[str]) -> None:
    main((1, 16), LAYERS, Effort(1, 0.0))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["train", "infer"] * 10
    assert all("ours" in line and "dense" in line for line in lines)
