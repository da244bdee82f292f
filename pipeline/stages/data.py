"""Stage data: load one experiment's dataset, verify it, split it, store it."""

from collections.abc import Sequence

from pipeline.data.datasets import load
from pipeline.data.events import how_made, losses
from pipeline.data.own import own_path
from pipeline.data.params import DataParams
from pipeline.data.splits import split_dataset
from pipeline.io import paths
from pipeline.io.entry import experiment_parser, run_stage
from pipeline.io.matrix_file import require_source
from pipeline.io.params import load_block
from pipeline.io.store import save_dataset
from snnprune.core.dataset import SPLITS


def main(argv: Sequence[str] | None = None) -> None:
    """Write `dataset.safetensors` and `dataset.json` of the experiment named in `argv`. Raises UserError: the block is
    missing or not as allowed, matrix.yaml names another folder, or the dataset is missing, damaged, altered, or cannot
    be split as asked."""
    experiment = experiment_parser("Load, verify, split and store a dataset.").parse_args(argv).experiment
    params = load_block(experiment, "data", DataParams)
    if path := own_path(params.dataset):
        require_source(experiment, path)
    raw = load(params.dataset, params.sha256, params.test is None, params.events)
    pixels = raw.samples.images
    values = f"{pixels.min():g} to {pixels.max():g}"
    parts = split_dataset(raw, params.validation, params.test, params.split_seed)
    summary = save_dataset(
        paths.data_folder(experiment),
        name=raw.name,
        classes=len(raw.names),
        scale=raw.scale,
        names=raw.names,
        step_ms=raw.step_ms,
        about="; ".join(filter(None, (raw.about, params.events and how_made(raw, params.events)))) or None,
        splits={split: (getattr(parts, split).images, getattr(parts, split).labels) for split in SPLITS},
    )
    counts = ", ".join(f"{part['count']} {split}" for split, part in summary["splits"].items())
    size = " x ".join(map(str, summary["shape"]))
    about = f" ({raw.about})" if raw.about else ""
    print(f"{raw.name} from {raw.source}{about}: {counts} samples of {size}, {len(raw.names)} classes")
    if params.events:
        step = "" if raw.step_ms is None else f", {raw.step_ms:.4g} ms a step"
        print(f"events in a bin {values}{step}")
        for part, binning in raw.binning.items():
            print(f"{part}: {losses(binning)}")
    else:
        print(f"pixels {values}, of which {raw.scale} becomes 1.0")
    print(f"content digest {summary['digest']}")


if __name__ == "__main__":
    run_stage(main)
