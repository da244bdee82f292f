"""A user's module, taken as it is: how it is run is found by running it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from snnprune.adapters.convention import find
from snnprune.adapters.network import AdaptedNetwork, Running
from snnprune.adapters.neurons import neurons_of, packages_of
from snnprune.adapters.plain import NotPlain, as_plain
from snnprune.adapters.wiring import wiring_of
from snnprune.core.dataset import as_images
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.own_model import Normalize, Readout, RunningParams
from snnprune.core.params import Direct, Encoding
from snnprune.core.schema import validate
from snnprune.pruning.mask import PRUNABLE, Mask

DIRECT = Direct(name="direct")


@dataclass(frozen=True)
class Adapted:
    """A user's network as the library's functions take one. network: the library's own where `net` is a plain sequence,
    else one that runs net's own forward. names: its parameters' names -> those in `net`. why: what keeps `net` from
    being a plain sequence; empty where it is one."""

    network: SpikingNetwork | AdaptedNetwork
    net: nn.Module
    names: Mapping[str, str]
    why: str = ""

    def state_dict(self, network: SpikingNetwork | AdaptedNetwork | None = None) -> dict[str, Tensor]:
        """The state of `network`, a pruned copy of `self.network` (None: that itself), by the names in `net`, which
        loads it with strict=True."""
        network = self.network if network is None else network
        if isinstance(network, AdaptedNetwork):
            return {name: tensor.detach().cpu().clone() for name, tensor in network.net.state_dict().items()}
        found = {self.names[name]: parameter.detach().cpu() for name, parameter in network.named_parameters()}
        return {name: found.get(name, tensor).detach().clone() for name, tensor in self.net.state_dict().items()}

    def mask(self, mask: Mapping[str, Tensor]) -> Mask:
        """A mask of `network` by the names in `net`."""
        return Mask({self.names[name]: layer for name, layer in mask.items()})


def adapt(
    net: nn.Module,
    images: Any,
    *,
    timesteps: int | None = None,
    encoding: Encoding | Mapping[str, Any] = DIRECT,
    readout: Readout = "count",
    normalize: Normalize | Mapping[str, Any] | None = None,
    fast: bool = True,
) -> Adapted:
    """A network of torch's layers and the neurons of snnTorch, SpikingJelly or norse, to be pruned, fine-tuned and
    counted like the library's own.

    net: it is called as it is; a copy is not made. The weights of norse's recurrent neurons become layers in it; its
        state dict stays as it is. See `snnprune.adapters.convention` for what its forward may be.
    images: at least three samples, [N, C, H, W] or frames [N, T, C, H, W], prepared as in the training of `net`, but
        for what `normalize` does.
    timesteps: T; None where its forward fixes it. encoding: what the caller does to an image before each step, such as
        {"name": "rate", "gain": 0.5}.
    readout: the class with the most spikes (`count`), or the highest membrane potential of the last neurons, the mean
        over the steps (`mean-membrane`) or the last one (`last-membrane`).
    normalize: what is done to images of 0..1 first, where they are not given so, such as {"mean": 0.13, "std": 0.31};
        None: nothing.
    fast: let a plain sequence (`snnprune.adapters.plain`) run in the library's own forms; False: always net's forward.
    Raises UserError: the forward takes no such samples, or returns none of the conventions, or is not differentiable,
        or gives another output the second time; layers share a weight; or a value is impossible.

    >>> import snnprune, snntorch
    >>> hidden = {"beta": 0.9, "init_hidden": True}
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), snntorch.Leaky(**hidden), nn.Linear(8, 2))
    >>> net.append(snntorch.Leaky(**hidden, output=True)) is net
    True
    >>> data = torch.rand(40, 1, 4, 4), torch.arange(40) % 2
    >>> adapted = adapt(net, data[0], timesteps=5)
    >>> pruned = snnprune.prune(adapted.network, data, level=0.75)
    >>> net.load_state_dict(adapted.state_dict(pruned.network))
    <All keys matched successfully>
    >>> int(net[1].weight.count_nonzero() + net[3].weight.count_nonzero())
    36
    """
    given = {"timesteps": timesteps, "encoding": encoding, "readout": readout, "normalize": normalize}
    running = validate(RunningParams, given, "adapt")
    _require_module(net)
    images = as_images(images).clone()  # a forward may write into its input
    if len(images) < 3:
        raise UserError(
            f"images: at least three samples are needed to find out how the network is run; found {len(images)}"
        )
    for package in packages_of(net):
        package.prepare(net)
    normal = running.normalize
    convention, steps = find(net, normal.of(images) if normal else images, running.encoding, running.timesteps)
    shape = tuple(images.shape[1:])
    network = AdaptedNetwork(net, Running(steps, running.encoding, readout, convention, shape, normalize=normal))
    with torch.no_grad(), evaluating(network):
        output, _, again = (network.spikes(given, seed=0) for given in (images[:3], 0 * images[:3], images[:3]))
    if not torch.allclose(output, again, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"{type(net).__name__}: the same images gave another output the second time; it keeps a state from call to "
            "call beside those of its neurons: let forward begin with a new one"
        )
    network.spec = replace(network.spec, classes=output.shape[2])
    network.wiring = wiring_of(network, images[:3])
    why = "not asked for"
    if fast:
        try:
            plain, names = as_plain(network, images)
            return Adapted(plain, net, names)
        except NotPlain as reason:
            why = str(reason)
    own = net.state_dict()
    names = {name: name.removeprefix("net.") for name, _ in network.named_parameters()}
    names |= {name: found.removesuffix(".weight") for name, found in names.items() if found not in own}
    return Adapted(network, net, names, why)


def _require_module(net: Any) -> None:
    """Raises UserError: it is no network of spiking neurons, or two of its layers have one weight, which would be
    pruned and counted twice."""
    if not isinstance(net, nn.Module):
        found = f"the class {net.__name__}; give an instance" if isinstance(net, type) else type(net).__name__
        raise UserError(f"net: expected a torch.nn.Module; found {found}")
    neurons_of(net)
    first: dict[int, str] = {}
    for name, module in net.named_modules():
        if isinstance(module, PRUNABLE) and (other := first.setdefault(id(module.weight), name)) != name:
            raise UserError(f"{name}: its weight is that of {other} too; layers that are pruned cannot share one")
