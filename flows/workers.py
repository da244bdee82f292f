"""How many stages run at a time unless the user says otherwise."""

import os

from pipeline.io.params import load_runtime


def default_workers() -> int:
    """As many stages as this process's cores have room for. Raises ParamsError for an impossible `runtime` block."""
    # Containers and job schedulers often grant fewer cores than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // load_runtime().threads)
