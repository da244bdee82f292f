"""Stage study: measure one study of one experiment, seed after seed."""

from collections.abc import Sequence

from pipeline.io import paths
from pipeline.io.entry import experiment_parser, required, run_stage
from pipeline.io.files import Row
from pipeline.io.finished import net_file, nets_of
from pipeline.io.params import load_block, load_matrix, load_runtime
from pipeline.io.runtime import set_up
from pipeline.io.tables import write_table
from pipeline.study import DENSE, NETS, Experiment, Inputs, Study, load_study, seeds_of
from snnprune.core.schema import ParamsError
from snnprune.pruning.params import PruneParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write `table.csv`: the rows of every seed. A finished seed is saved, so that an interrupted study resumes. Raises
    UserError: unknown study, an input or a block is missing or not as allowed, or does not fit the experiment."""
    parser = experiment_parser("Measure one study.")
    parser.add_argument("study")
    options = parser.parse_args(argv)
    study = load_study(options.study)
    inputs = _inputs(study, options.experiment)
    seeds = seeds_of(inputs.params, inputs.matrix)
    rows: list[Row] = []
    for number, seed in enumerate(seeds, start=1):
        rows += inputs.resume.once(
            f"seed{seed}", lambda seed=seed: [{"seed": seed, **row} for row in study.rows(inputs, seed)]
        )
        print(f"{study.name} {inputs.experiment}: seed {seed} done ({number}/{len(seeds)})", flush=True)
    write_table(paths.table_file(inputs.experiment, study.name), rows)
    inputs.resume.clear()


def _inputs(study: Study, experiment: str) -> Inputs:
    """Everything the study reads; all that its rows depend on is in the resume points' fingerprint."""
    params = load_block(experiment, study.name, study.params)
    schemas = study.reads if study.needs != DENSE else {"prune": PruneParams, **study.reads}
    blocks = {key: load_block(experiment, key, schema) for key, schema in schemas.items()}
    matrix = load_matrix(experiment)
    if problems := study.problems(params, Experiment(experiment, matrix, blocks)):
        raise ParamsError("\n".join(problems))
    nets = nets_of(experiment, matrix, pruned=study.needs != DENSE)
    files = [net_file(experiment, *net) for net in nets]
    if study.needs not in (DENSE, NETS):
        files.append(required(paths.table_file(experiment, study.needs), f"study@{experiment}-{study.needs}"))
    stage = f"study/{experiment}/{study.name}"
    setting = set_up(stage, experiment, load_runtime(), {study.name: params, **blocks}, [*files, *study.files])
    return Inputs(experiment, params, blocks, matrix, setting.dataset, setting.device, setting.resume)


if __name__ == "__main__":
    run_stage(main)
