"""Stage study: measure one study of one experiment, seed after seed."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.inputs import Inputs, dense_file, levels_of, pruned_file, table_file
from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage
from pipeline.io.files import Row, write_text
from pipeline.io.params import Matrix, load_block, load_matrix, load_method, load_runtime
from pipeline.io.resume import Resume
from pipeline.io.runtime import configure
from pipeline.io.store import FILE, load_dataset
from pipeline.studies import DENSE, NETS, Experiment, Study, load_study
from snnprune.core.schema import Block, ParamsError
from snnprune.pruning.params import PruneParams


def main(argv: Sequence[str] | None = None) -> None:
    """Write `table.csv`: the rows of every seed. A finished seed is saved, so that an interrupted study resumes.

    Raises:
        ParamsError: a block is missing, holds something that is not allowed, or does not fit the experiment.
        DataError: the dataset is missing or damaged.
        UserError: unknown study, or an input is missing.
    """
    parser = experiment_parser("Measure one study.")
    parser.add_argument("--study", required=True)
    options = parser.parse_args(argv)
    study = load_study(options.study)
    inputs = _inputs(study, options.experiment)
    seeds = getattr(inputs.params, "seeds", inputs.matrix.seeds)
    rows: list[Row] = []
    for number, seed in enumerate(seeds, start=1):
        point = inputs.resume.point(f"seed{seed}")
        done = point.load()
        if done is None:
            done = {"rows": [{"seed": seed, **row} for row in study.rows(inputs, seed)]}
            point.save(done)
        rows += done["rows"]
        print(f"{study.name} {inputs.experiment}: seed {seed} done ({number}/{len(seeds)})", flush=True)
    table = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")
    write_text(paths.table_file(inputs.experiment, study.name), table)
    inputs.resume.clear()


def _inputs(study: Study, experiment: str) -> Inputs:
    """Everything the study reads; all that its rows depend on is in the resume points' fingerprint."""
    params = load_block(experiment, study.name, study.params)
    schemas = study.reads if study.needs != DENSE else {"prune": PruneParams, **study.reads}
    blocks = {key: _block(experiment, key, schema) for key, schema in schemas.items()}
    matrix = load_matrix(experiment)
    runtime = load_runtime()
    device = configure(runtime)
    if problems := study.problems(params, Experiment(experiment, matrix, blocks)):
        raise ParamsError("\n".join(problems))
    settings = {study.name: params, **blocks, "runtime": runtime}
    return Inputs(
        experiment=experiment,
        params=params,
        blocks=blocks,
        matrix=matrix,
        dataset=load_dataset(paths.data_folder(experiment)).to(device),
        device=device,
        resume=Resume(
            f"study/{experiment}/{study.name}",
            {"device": device.type, **{key: block.model_dump() for key, block in settings.items()}},
            [paths.data_folder(experiment) / FILE, *_files(study, experiment, matrix), *study.files],
        ),
    )


def _block(experiment: str, key: str, schema: type[Block]) -> Block:
    parent, _, method = key.rpartition(".")
    return load_method(experiment, method, schema) if parent == "methods" else load_block(experiment, key, schema)


def _files(study: Study, experiment: str, matrix: Matrix) -> list[Path]:
    """The nets and the table that the study needs."""
    files = [dense_file(experiment, seed) for seed in matrix.seeds]
    if study.needs != DENSE:
        files += [
            pruned_file(experiment, method, seed, level)
            for method in matrix.methods
            for seed in matrix.seeds
            for level in levels_of(experiment, method, seed)
        ]
    if study.needs not in (DENSE, NETS):
        files.append(table_file(experiment, study.needs))
    return files


if __name__ == "__main__":
    run_stage(main)
