"""prefect.yaml is read by one reader, and what is wrong with it is named."""

from pathlib import Path

import pytest

from flows.scheduled.deployments import read_entries
from flows.scheduled.serve import read_deployments
from snnprune.core.errors import UserError
from tests.imports import PROJECT


def test_entries_are_as_they_are_written_and_there_may_be_none(tmp_path: Path) -> None:
    assert [entry["name"] for entry in read_entries(PROJECT)] == ["nightly", "smoke", "on-demand"]
    (tmp_path / "prefect.yaml").write_text("deployments: []")
    assert read_entries(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"deployments:", b"a: [", b"- name: a", b"text", b"deployments: {name: a}", b"deployments: name"),
        *(b"deployments: [a]", b"deployments: [{}]", b"deployments: [{name: 7}]", b"deployments: [{name: \xff}]"),
        b"deployments: [{name: a}]\ndeployments: []",
    ],
)
def test_anything_else_is_an_error_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"^prefect.yaml, which lists the deployments, was not found in {tmp_path}$"):
        read_deployments()
    (tmp_path / "prefect.yaml").write_bytes(content)
    for read in (lambda: read_entries(tmp_path), read_deployments):
        with pytest.raises(UserError, match="^prefect.yaml: expected `deployments:`, a list of entries with a name"):
            read()


def test_a_deployment_needs_no_more_than_a_name_and_one_that_prefect_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.yaml").write_text("deployments: [{name: a}, {name: b, schedules: , parameters: }]")
    assert [(one.name, one.schedules, one.parameters) for one in read_deployments()] == [("a", [], {}), ("b", [], {})]
    for schedules in ("[{cron: never}]", "[{often: 7}]", "[daily]", "daily"):
        (tmp_path / "prefect.yaml").write_text(f"deployments: [{{name: a}}, {{name: b, schedules: {schedules}}}]")
        with pytest.raises(UserError, match="^prefect.yaml: b: "):
            read_deployments()
