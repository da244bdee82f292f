"""Prefect stores the webhook for late runs, and deletes it once the variable is unset."""

import pytest
from prefect.client.orchestration import get_client

from flows.notification import VARIABLE
from flows.scheduled.late import BLOCK, NAME, tell_of_late_runs


def known() -> tuple[list[str], list[str]]:
    """The addresses in blocks of ours, and our automations."""
    with get_client(sync_client=True) as client:
        blocks = [block for block in client.read_block_documents() if block.name == BLOCK]
        return [block.data["url"] for block in blocks], [one.name for one in client.read_automations_by_name(NAME)]


@pytest.mark.slow
def test_no_address_is_left_where_nobody_wants_messages(server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://hooks.example.org/a", "https://hooks.example.org/b"):
        monkeypatch.setenv(VARIABLE, url)
        tell_of_late_runs()
        assert known() == ([url], [NAME])
    monkeypatch.delenv(VARIABLE)
    for _ in range(2):  # nothing is there at the second time
        tell_of_late_runs()
        assert known() == ([], [])
