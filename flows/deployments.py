"""Asks a running Prefect server what is deployed there, and puts right what an earlier one left unfinished."""

from typing import Any

import requests

UNFINISHED = ["RUNNING", "PENDING", "CANCELLING"]
SECONDS = 30


def described(url: str) -> list[str]:
    """One line per deployment: the name to run it by, what it is for, and when it runs by itself."""
    flows = {flow["id"]: flow["name"] for flow in _post(url, "flows/filter", {})}
    found = [(f"{flows[entry['flow_id']]}/{entry['name']}", entry) for entry in _post(url, "deployments/filter", {})]
    return [f"{name}: {entry['description']} ({_when(entry['schedules'])})" for name, entry in sorted(found)]


def end_lost_runs(url: str, pool: str) -> None:
    """Call every unfinished run of a work pool crashed: to be used while it has no worker, so what ran them is gone."""
    query = {"flow_runs": {"state": {"type": {"any_": UNFINISHED}}}, "work_pools": {"name": {"any_": [pool]}}}
    while lost := _post(url, "flow_runs/filter", query):
        for run in lost:
            state = {"type": "CRASHED", "message": "what ran it was ended; the next run goes on from there"}
            _post(url, f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})


def _when(schedules: list[dict[str, Any]]) -> str:
    active = [entry["schedule"] for entry in schedules if entry["active"]]
    times = [f"cron {it['cron']}, {it['timezone']}" if "cron" in it else "own schedule" for it in active]
    return "; ".join(times) or "by hand"


def _post(url: str, path: str, query: dict[str, Any]) -> Any:
    answer = requests.post(f"{url}/api/{path}", json=query, timeout=SECONDS)
    answer.raise_for_status()
    return answer.json()
