"""Makes one pruned net of an experiment the champion, if it may be: `snnprune promote`."""

from collections.abc import Callable
from pathlib import Path

from flows.engine.lockfile import Entry, read_lock
from flows.environment import set_defaults
from flows.redact import reason_of
from flows.registry import requests
from flows.tracking.location import project_of
from pipeline.io import paths
from pipeline.io.files import sha256
from pipeline.io.nets import percent
from pipeline.io.params import PARAMS_FILE, matrix_of, read_params
from pipeline.io.tables import read_table
from pipeline.promotion.choice import CHOSEN_BY, PREFIX, Candidate, choose
from pipeline.promotion.params import ALIAS, PromotionParams
from pipeline.promotion.verdict import judge
from pipeline.results.content import read_rows
from pipeline.results.md5 import ContentChanged, require_content
from snnprune.core.errors import UserError

Say = Callable[[str], None]


class NotReached(UserError):
    """MLflow cannot be used; the request is kept."""


def promote(
    experiment: str,
    params: PromotionParams,
    *,
    root: Path | None = None,
    suffix: str = "",
    say: Say = print,
    file: Path | None = None,
) -> bool:
    """Choose a net, register it, and move the alias `champion` if a loss against the champion can be excluded.

    Args:
        experiment: whose results lie in `root`.
        params: the constraints, the model's name, and what counts as a loss.
        root: the project, or the worktree of a scheduled run (None: the current folder).
        suffix: of the MLflow experiment, for runs with overrides.
        say: takes a line about each step.
        file: where this request is kept already (None: it is new).

    Returns:
        Whether the net is the champion now.

    Raises:
        NotReached: MLflow cannot be used; what was asked is kept in a file that `carry_out_kept` reads.
        UserError: there are no results, they are damaged or not those that dvc.lock names, or no net meets the
            constraints.
    """
    set_defaults()
    root = root or Path.cwd()
    candidate, entry, weights = _chosen(root, experiment, params)
    from flows.registry.registry import ERRORS, Registry, champion_of, title_of  # takes seconds
    from flows.tracking.store import promotion_lock

    name = experiment + suffix
    model = params.model or name
    say(f"{name}: {candidate.net}, {candidate.constraint}; {_figures(candidate)}")
    try:
        registry = Registry(root, suffix)
        with promotion_lock(root):
            logged = registry.logged(f"evaluate@{experiment}", entry, candidate.net)
            version, is_new = registry.register(model, candidate, logged, name, weights)
            title = title_of(version)
            say(f"{model}: {title} {'registered' if is_new else 'is registered already'}")
            holder = registry.holder(model, ALIAS)
            if holder is not None and holder.version == version.version:
                say(f"{model}: {title} is the {ALIAS} already; nothing to do")
                return True
            champion = holder and champion_of(holder)
            verdict = judge(candidate, name, logged.dataset, champion, delta=params.delta, force=params.force)
            opponent = champion.title if champion else "the dense nets"
            registry.decide(version, ALIAS, candidate, verdict, params.delta, opponent)
    except UserError:  # it says what to do
        raise
    except ContentChanged as error:
        raise UserError(f"{experiment}: {error}; run it again: snnprune run {experiment}") from error
    except ERRORS as error:
        shown = requests.shown(root, file or requests.keep(root, experiment, suffix, params))
        raise NotReached(
            f"MLflow cannot be used ({reason_of(error)}); the request is kept in {shown}, carry it out later: "
            "snnprune promote --pending"
        ) from error
    say(f"{model}: {title if verdict.moves else champion.title} {'is now' if verdict.moves else 'stays'} {ALIAS}")
    say(f"  {verdict.reason}")
    return verdict.moves


def carry_out_kept(say: Say = print) -> bool:
    """Carry out the requests kept in the project of the current folder; whether there were any. A request that fails
    for a reason of its own is dropped, as it would have failed at once. Raises NotReached: MLflow cannot be used.
    Raises UserError: some failed; the message has each reason."""
    root = Path.cwd()
    found, failed = requests.kept(root), []
    for one in found:
        request = one.request
        try:
            promote(
                request.experiment,
                request.params,
                root=project_of(root) / request.folder,
                suffix=request.suffix,
                say=say,
                file=one.file,
            )
        except NotReached:
            raise
        except UserError as error:
            failed.append(str(error))
        requests.remove(root, one)
    if failed:
        raise UserError("\n".join(failed))
    return bool(found)


def _chosen(root: Path, experiment: str, params: PromotionParams) -> tuple[Candidate, Entry, str]:
    """The candidate, the dvc.lock entry of its evaluation, and the SHA-256 of its weights. Raises UserError."""
    lock = read_lock(root)
    compare, evaluate = f"compare@{experiment}", f"evaluate@{experiment}"
    if missing := [address for address in (compare, evaluate) if address not in lock]:
        names = matrix_of(read_params(root / PARAMS_FILE))
        if experiment not in names:
            raise UserError(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(names)}")
        raise UserError(f"{experiment}: dvc.lock has no {missing[0]}; make it: snnprune run {experiment}")
    seen = {dep["path"]: dep["md5"] for dep in lock[compare]["deps"]}
    made = {item["path"]: item["md5"] for item in (*lock[evaluate]["deps"], *lock[evaluate]["outs"])}
    if stale := [path for path in seen.keys() & made.keys() if seen[path] != made[path]]:
        raise UserError(f"{experiment}: {min(stale)} changed since {compare}; run it again: snnprune run {experiment}")
    table = paths.compare_folder(experiment) / "comparison.csv"
    _require(root, lock[compare], table, experiment)
    read_rows(root / table, experiment, CHOSEN_BY, {PREFIX + params.profile: float})
    candidate = choose(read_table(root / table, compare), params)
    prune = f"prune@{experiment}-{candidate.method}-{candidate.seed}"
    net = paths.net_file(experiment, candidate.method, candidate.seed, candidate.level)
    if prune not in lock or not (root / net).is_file():
        ways = f"fetch it: snnprune pull {experiment}, or make it: snnprune run {experiment}"
        raise UserError(f"{candidate.net}: {net} is not here; {ways}")
    _require(root, lock[prune], net.parent, experiment)
    return candidate, lock[evaluate], sha256(root / net)


def _require(root: Path, entry: Entry, path: Path, experiment: str) -> None:
    """Check an output against dvc.lock. Raises UserError."""
    (md5,) = [out["md5"] for out in entry["outs"] if out["path"] == path.as_posix()]
    try:
        require_content(root / path, md5)
    except ContentChanged as error:
        raise UserError(f"{error}; run it again: snnprune run {experiment}") from error


def _figures(candidate: Candidate) -> str:
    """`95.82 % on validation over 3 seeds (96.10 % dense), 88.3 % less energy (loihi)`."""
    mine, dense = 100 * candidate.mean, 100 * candidate.dense_mean
    seeds = f"{len(candidate.accuracies)} seed{'s' if len(candidate.accuracies) > 1 else ''}"
    accuracy = f"{mine:.2f} % on validation over {seeds} ({dense:.2f} % dense)"
    return f"{accuracy}, {percent(candidate.saved)} less energy ({candidate.profile})"
