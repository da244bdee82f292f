"""How a net is spelled, everywhere: `cqp@0.90/seed0`; the dense one `dense/seed0`. A sparsity for people: `90 %`."""

DENSE = "dense"


def level_text(level: float) -> str:
    """A level with two digits where they are exact (`0.90`), else with as many as it takes (`0.9775`)."""
    text = f"{level:.2f}"
    return text if float(text) == level else repr(float(level))


def percent(level: float) -> str:
    """A level or share as `90 %`, `98.5 %`, `87.96 %`: two digits at most, no zeros at their end."""
    return f"{round(100 * level, 2):g} %"


def net_name(method: str, level: float, seed: int | None = None) -> str:
    """`cqp@0.90/seed0`; `cqp@0.90` for all seeds together; `dense/seed0`, `dense`."""
    net = method if method == DENSE else f"{method}@{level_text(level)}"
    return net if seed is None else f"{net}/seed{seed}"


def metric_name(method: str, level: float) -> str:
    """`net_name` of all seeds as part of a metric's name, where MLflow does not allow an @: `cqp_0.90`."""
    return net_name(method, level).replace("@", "_")
