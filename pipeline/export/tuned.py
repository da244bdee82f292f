"""Fine-tuned integer networks: `snnprune export NET --to c-int8 --tuned` fine-tunes a net as the study `quantise` does.
The study keeps its rows, not its nets: with its seeds and settings a machine gives the same net again."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.export.nets import Net as Found
from pipeline.io.finished import net_file
from pipeline.io.nets import DENSE
from pipeline.io.params import load_block, load_matrix, load_runtime
from pipeline.io.runtime import set_up
from pipeline.studies.quantise import Params, best_scales, finetuning
from pipeline.study import Inputs, Net
from snnprune.core.errors import UserError
from snnprune.export.c import of_integer_network
from snnprune.export.metadata import metadata
from snnprune.export.registry import WHOLE_NUMBERS, Exported
from snnprune.quantise.quantise import quantise
from snnprune.quantise.rounding import PER


def require_tunable(net: Found, targets: Sequence[str]) -> Params:
    """The block `quantise` of the net's experiment. Raises UserError: a target without whole numbers, a net of no
    project, or a block that fine-tunes none."""
    if wrong := [target for target in targets if target not in WHOLE_NUMBERS]:
        raise UserError(f"--tuned is of the targets {' and '.join(WHOLE_NUMBERS)}; found {wrong[0]}")
    if net.place is None:
        raise UserError(f"{net.name}: --tuned needs a net of a project, with the data that it is fine-tuned on")
    params = load_block(net.place.experiment, "quantise", Params)
    if params.finetune is None:
        where = f"experiments.{net.place.experiment}.quantise.finetune"
        raise UserError(f"{where}: missing; --tuned fine-tunes as it says")
    return params


def export_tuned(net: Found, target: str, params: Params) -> Exported:
    """The net fine-tuned with rounded weights, as C; `params` by `require_tunable`. Raises UserError: a result is
    missing, or the target cannot express the net."""
    experiment, method, seed, level = net.place
    bits, settings = WHOLE_NUMBERS[target], {"quantise": params, "net": net.name, "target": target}
    files = [net_file(experiment, *one) for one in ((method, seed, level), (DENSE, seed, 0.0))]
    setting = set_up(f"export/{net.name}/{target}", experiment, load_runtime(), settings, files)
    matrix, (dataset, device, resume) = load_matrix(experiment), (setting.dataset, setting.device, setting.resume)
    inputs = Inputs(experiment, params, {}, matrix, dataset, device, resume)
    network = net.network.to(device)
    _, best = best_scales({per: quantise(network, bits, per) for per in PER}, dataset.validation)
    how = finetuning(Net(method, level, network), bits, params.finetune, inputs, seed)
    quantised = quantise(network, bits, best, how)
    exported = of_integer_network(quantised.integer, metadata(net.network.cpu(), dataset.names))
    resume.clear()
    note = f"fine-tuned with weights of {bits} bits (epochs: {params.finetune.epochs}), one scale a {best}"
    return replace(exported, about={**exported.about, "notes": [note, *exported.about["notes"]]})
