"""Writes changes as Markdown that is ready for a comment on a pull request."""

from collections.abc import Iterator, Sequence

from pipeline.diff.changes import Change, Changes, Net
from pipeline.io.nets import net_name

FOLD = 12  # rows; a longer table is folded away
LEGEND = (
    "± is half the 95 % t-interval over seeds. A difference is of the same seeds before and after, pair by pair, "
    "unless it says otherwise. Bold: it exceeds its interval, which excludes zero; of different seeds, the two "
    "intervals do not overlap. Not corrected for the number of comparisons."
)
MISSING = "none"


def render(before: str, after: str, changes: Sequence[Changes]) -> str:
    """All changes; one line where nothing differs. before, after: how the two states are called."""
    differing = [one for one in changes if not one.is_empty]
    if not differing:
        compared = ", ".join(f"{one.experiment} ({_count(one.compared, 'net')})" for one in changes)
        return f"No result differs between {before} and {after}: {compared or 'there are none'}.\n"
    same = [one.experiment for one in changes if one.is_empty]
    parts = [f"## Results: {before} → {after}", *(part for one in differing for part in _experiment(one))]
    parts += [f"Nothing differs in {', '.join(same)}."] if same else []
    has_tables = any(one.accuracy or one.margin or one.energy for one in differing)
    return "\n\n".join([*parts, *([f"<sub>{LEGEND}</sub>"] if has_tables else [])]) + "\n"


def _experiment(changes: Changes) -> Iterator[str]:
    yield f"### {changes.experiment}"
    if changes.state != "compared":
        yield f"The experiment is {changes.state}."
        return
    lines = [*changes.notes]
    lines += [f"new: {_nets(changes.added)}"] if changes.added else []
    lines += [f"removed: {_nets(changes.removed)}"] if changes.removed else []
    exceeding = sum(change.exceeds for change in changes.accuracy)
    lines.append(
        f"test accuracy of {len(changes.accuracy)} of {_count(changes.compared, 'net')} differs, "
        f"of {exceeding} by more than its interval"
    )
    yield "\n".join(f"- {line}" for line in lines)
    if changes.verdicts:
        rows = [(f"{one.claim}: {one.says}", one.before or MISSING, one.after or MISSING) for one in changes.verdicts]
        yield _table("Claims", ("claim", "before", "now"), rows)
    if changes.accuracy:
        yield _table("Test accuracy, %", HEAD, [_row(one, 100, "") for one in changes.accuracy])
    if changes.margin:
        rows = [_row(one, 100, "+") for one in changes.margin]
        yield _table("Margin over the baseline, points of test accuracy", HEAD, rows)
    for profile, found in changes.energy.items():
        rows = [_energy_row(one) for one in found]
        yield _table(
            f"Energy a sample on {profile}, nJ (constant input counted once)", (*HEAD[:3], "change", HEAD[4]), rows
        )


HEAD = ("net", "before", "now", "difference", "seeds")


def _row(change: Change, scale: float, sign: str) -> tuple[str, ...]:
    """before, after and difference, all times `scale`; a sign for what is itself a difference."""
    before, after = (one.text(scale, sign) if one else MISSING for one in (change.before, change.after))
    return net_name(change.method, change.level), before, after, _difference(change, scale, ""), _seeds(change)


def _energy_row(change: Change) -> tuple[str, ...]:
    """In nJ, which the profiles have in pJ; the change in percent of what it was."""
    net, before, after, _, seeds = _row(change, 1e-3, "")
    scale = 100 / change.before.mean if change.before and change.before.mean else 0.0
    return net, before, after, _difference(change, scale, " %") if scale else MISSING, seeds


def _difference(change: Change, scale: float, unit: str) -> str:
    if change.difference is None:
        return MISSING
    text = f"{change.difference.text(scale, '+')}{unit}"
    return f"**{text}**" if change.exceeds else text


def _seeds(change: Change) -> str:
    """How many are paired, or why none is."""
    if change.difference is None:
        return MISSING
    before, after = change.before.n, change.after.n
    if not change.is_paired:
        return f"not paired ({before} and {after} others)"
    common = len(change.seeds)
    return str(common) if before == after == common else f"{common} of {before} and {after}"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    text = "\n".join(lines)
    if len(rows) <= FOLD:
        return f"**{title}**\n\n{text}"
    return f"<details><summary><b>{title}</b>: {len(rows)} rows</summary>\n\n{text}\n\n</details>"


def _nets(nets: Sequence[Net]) -> str:
    return ", ".join(net_name(*net) for net in nets)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
