"""What nets are called in tables, metrics and sentences."""

from collections.abc import Iterable

DENSE = "dense"


def label(method: str, level: float) -> str:
    """For people: `dense`, `cqp at 0.9`."""
    return method if method == DENSE else f"{method} at {level:g}"


def metric_name(method: str, level: float) -> str:
    """For metrics: `dense`, `cqp_0.9`."""
    return method if method == DENSE else f"{method}_{level:g}"


def told_methods(methods: Iterable[str]) -> list[str]:
    """Those of which sentences and crowded figures tell: the dense net, and the first method that prunes."""
    pruning = [method for method in methods if method != DENSE]
    return [DENSE, *pruning[:1]]
