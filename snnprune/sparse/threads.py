"""Shares a kernel's rows out among threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import torch


def by_rows(kernel: Callable[..., None], rows: int, *arguments: Any, threads: int | None = None) -> None:
    """Call `kernel(first, last, *arguments)` so that all `rows` are done, on so many `threads` (None: torch's number);
    the bytes are the same for any."""
    threads = min(torch.get_num_threads() if threads is None else threads, rows)
    if threads <= 1:
        kernel(0, rows, *arguments)
        return
    bounds = [rows * part // threads for part in range(threads + 1)]
    calls = [_pool(threads).submit(kernel, *span, *arguments) for span in pairwise(bounds)]
    for call in calls:
        call.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
