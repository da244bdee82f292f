"""The state dict by the network's own names, zeros in place: `.pt` for `torch.load(weights_only=True)`, safetensors."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.checkpoint import load_parameters, own_state
from snnprune.core.encoding import is_constant
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork, build_network, run_fused
from snnprune.core.params import ModelParams
from snnprune.export.metadata import metadata
from snnprune.export.registry import Exported

PT, SAFETENSORS, METADATA = "weights.pt", "weights.safetensors", "metadata.json"


def to_state_dict(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> Exported:
    """Weights, biases and the neurons' constants; time steps, encoding and the rest are in `metadata.json`. Of a
    network of the user's own they have the user's own names."""
    if network.names:
        tensors = own_state(network)
    else:
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    about = metadata(network, classes)
    stream = io.BytesIO()
    torch.save(tensors, stream)
    files = {
        PT: stream.getvalue(),
        SAFETENSORS: safetensors.torch.save(tensors, {"metadata": json.dumps(about)}),
        METADATA: (json.dumps(about, indent=2) + "\n").encode(),
    }
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return Exported(files, {"array_bytes": held})


@torch.no_grad()
def run_state_dict(folder: Path, inputs: Tensor) -> Tensor:
    """Spike counts [B, classes] of a new network that has loaded the .pt file. Raises UserError: it needs a class of
    the user's own."""
    about = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    if "model" not in about:
        raise UserError("the state dict is run by your own class only; load it there with strict=True")
    network = build_network(ModelParams.model_validate(about["model"])).eval()
    tensors = torch.load(folder / PT, weights_only=True, map_location="cpu")
    if names := about.get("names"):
        load_parameters(network, {own: tensors[theirs] for own, theirs in names.items()})
    else:
        network.load_state_dict(tensors, strict=True)
    spec = network.spec
    return run_fused(network.layers, inputs.float(), spec.timesteps, is_constant(spec.encoding)).sum(0)
