"""The artificial network beside a spiking one: its layers with ReLU in the place of the neurons, and no time."""

import torch
from torch import nn

from snnprune.core.errors import UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import Direct, Frames, ModelParams
from snnprune.core.training.batch import Batch
from snnprune.core.training.loss import Loss, distilled, taught_by
from snnprune.core.training.params import Distillation

UNKNOWN = torch.empty(0)  # which samples a batch holds and how they were moved: a teacher that sees them does not ask


def relu_network(spec: ModelParams) -> SpikingNetwork:
    """The network of `spec` with ReLU, its last layer linear: one step, whose outputs [1, B, classes] are the logits,
    so that training, pruning and fine-tuning take it as it is. Weights are drawn as the spiking network's, from torch's
    global generator, and have its names. It takes the image itself, whatever the spiking network's encoding. Raises
    UserError: frames of events, which have no single image.
    """
    if isinstance(spec.encoding, Frames):
        raise UserError("encoding: found frames; allowed for a network without time are those of still images")
    *layers, last = build_network(spec).layers
    if not isinstance(last, MultiStepLeaky):
        raise UserError(f"layers: the last must be spiking neurons; found {type(last).__name__}")
    at_once = spec.model_copy(update={"timesteps": 1, "encoding": Direct(name="direct")})
    return SpikingNetwork(at_once, [nn.ReLU() if isinstance(layer, MultiStepLeaky) else layer for layer in layers])


def distilled_from(teacher: SpikingNetwork, params: Distillation) -> Loss:
    """The loss of fine-tuning with distillation from the dense network, as for spiking ones; theirs keeps whole numbers
    in a table (`snnprune.core.training.loss.table_of`), and logits are none."""
    of_batch = distilled(taught_by(teacher), params)
    return lambda logits, images, labels: of_batch(logits, Batch(images, labels, UNKNOWN, UNKNOWN))
