"""The integer network against its equations written out plainly, by hand, and its promise that nothing overflows."""

from dataclasses import replace

import numpy as np
import pytest

from snnprune.core.errors import DataError, UserError
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.integer import BLOCK, INT32, Csr, IntegerLayer, IntegerNetwork, Kernel
from snnprune.quantise.quantise import quantise
from tests.snnprune.quantise.made import CONV, DENSE, ENCODINGS, network, samples
from tests.snnprune.quantise.plain import Plain


def one_neuron(values: list[int], steps: int = 5, **numbers: int) -> IntegerNetwork:
    """One neuron with a synapse for each value; beta is a half, the threshold 10."""
    row = {"shift": 0, "bias": 0, "threshold": 10, "multiplier": 1, **numbers}
    beta_shift, to_zero = row.pop("beta_shift", 1), bool(row.pop("to_zero", 0))
    starts, columns = np.array([0, len(values)], np.uint32), np.arange(len(values), dtype=np.uint16)
    csr = Csr(len(values), starts, columns, np.array(values, np.int8))
    arrays = {name: np.array([value], np.int32) for name, value in row.items()}
    layer = IntegerLayer("layers.0.weight", csr, np.ones(1), **arrays, beta_shift=beta_shift, to_zero=to_zero)
    return IntegerNetwork((layer,), 8, steps, "direct", (len(values),), 255, 255)


def trace(net: IntegerNetwork, inputs: list[int]) -> list[int]:
    (spikes,) = next(net.blocks(np.array([inputs], np.uint8)))
    return spikes.ravel().tolist()


def test_by_hand() -> None:
    # U: 7, 4 + 7 = 11 (a half of 7 is 3.5, rounded up), 6 - 10 + 7 = 3, 2 + 7 = 9, 5 + 7 = 12
    assert trace(one_neuron([7, -3]), [1, 0]) == [0, 1, 0, 0, 1]
    # reset to zero: 7, 11, 0 + 7, 4 + 7 = 11, 7
    assert trace(one_neuron([7, -3], to_zero=1), [1, 0]) == [0, 1, 0, 1, 0]
    # 2 * 7 - 3 = 11; 6 - 10 + 11 = 7; 4 + 11 = 15; 8 - 10 + 11 = 9; 5 + 11 = 16
    assert trace(one_neuron([7, -3]), [2, 1]) == [1, 0, 1, 0, 1]
    # a current of 7 * 2 / 8 = 1.75, rounded 2, and a bias of 9: 11; 6 - 10 + 11 = 7, and on as before
    assert trace(one_neuron([7, -3], shift=-3, bias=9), [2, 0]) == [1, 0, 1, 0, 1]
    # 5 * 2^1; never above 10 with a beta of 0
    assert trace(one_neuron([5], shift=1, multiplier=0, beta_shift=0), [1]) == [0] * 5


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("layers", [DENSE, CONV], ids=["dense", "conv"])
@pytest.mark.parametrize(
    ("bits", "per", "reset"), [(8, "layer", "subtract"), (4, "row", "subtract"), (4, "row", "zero")]
)
def test_bit_equal_to_the_plain_equations(encoding: str, layers: object, bits: int, per: str, reset: str) -> None:
    net = network(layers, encoding, reset=reset)
    integer = quantise(net, bits, per).integer
    inputs = integer_inputs(net.spec, samples(net), seed=3)
    plain = Plain(integer)
    expected = [plain.spikes(sample) for sample in inputs]
    (found,) = integer.blocks(inputs)
    for layer, spikes in enumerate(found):
        assert 0 < spikes.mean() < 1
        assert np.array_equal(np.moveaxis(spikes, -1, 1), np.stack([each[layer] for each in expected]))
    assert np.array_equal(integer.run(inputs), np.stack([each[-1].sum(0) for each in expected]))
    for layer, most in zip(integer.layers, (integer.largest_input, 1, 1, 1), strict=False):
        assert plain.largest[layer.name] <= layer.largest_value(most, integer.timesteps) <= INT32


def test_strides_and_padding() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-7, 8, (3, 2, 3, 2)).astype(np.int8)
    kernel = Kernel(values, stride=(2, 1), padding=(1, 2), pool=2)
    numbers = {name: np.full(3, value, np.int32) for name, value in (("shift", -1), ("bias", 3), ("threshold", 40))}
    layer = IntegerLayer(
        "conv", kernel, np.ones(3), **numbers, multiplier=np.full(3, 3, np.int32), beta_shift=2, to_zero=False
    )
    net = IntegerNetwork((layer,), 4, 4, "frames", (2, 7, 6), 1, 9)
    inputs = rng.integers(0, 10, (2, 4, 2, 7, 6)).astype(np.uint8)
    ((found,),) = net.blocks(inputs)
    expected = np.stack([Plain(net).spikes(sample)[0] for sample in inputs])
    assert expected.shape == (2, 4, 3, 2, 4) and 0 < expected.mean() < 1
    assert np.array_equal(np.moveaxis(found, -1, 1), expected)


def test_samples_do_not_depend_on_each_other() -> None:
    net = network()
    integer = quantise(net, 8).integer
    inputs = integer_inputs(net.spec, samples(net, 2 * BLOCK + 3))
    each = np.concatenate([integer.run(inputs[i : i + 1]) for i in range(len(inputs))])
    assert np.array_equal(integer.run(inputs), each)


def test_the_bound_by_hand() -> None:
    """Inputs up to 255 and the values 7 and -3: sums of -765 to 1,785."""
    # Without a decay the membrane is the current: at most 1,785; with a bias of 100 1,885.
    assert one_neuron([7, -3], multiplier=0, beta_shift=0).layers[0].largest_value(255, 5) == 1785
    assert one_neuron([7, -3], multiplier=0, beta_shift=0, bias=100).layers[0].largest_value(255, 5) == 1885
    # Beta 1, one step: 1,785. Two: a spike takes 10 and 1,785 are added. Three: 1,775 more again.
    found = [one_neuron([7, -3], beta_shift=0).layers[0].largest_value(255, steps) for steps in (1, 2, 3)]
    assert found == [1785, 3560, 5335]
    # A threshold that is never reached is a value too.
    assert one_neuron([1], threshold=10**9).layers[0].largest_value(255, 5) == 10**9
    # The multiplier's product: 4,095 * 1,785 and a half of 2^12.
    only = one_neuron([7, -3], multiplier=4095, beta_shift=12, steps=2).layers[0]
    assert only.largest_value(255, 2) == 4095 * 1785 + 2048


@pytest.mark.parametrize("to_zero", [0, 1])
@pytest.mark.parametrize("seed", range(20))
def test_no_input_passes_the_bound(seed: int, to_zero: int) -> None:
    """Frames of the largest and smallest currents, in any order, which an exhaustive search goes through."""
    rng = np.random.default_rng(seed)
    numbers = {"shift": rng.integers(-3, 4), "bias": rng.integers(-50, 50), "threshold": rng.integers(1, 400)}
    multiplier = rng.integers(0, 17)
    net = one_neuron(
        [int(rng.integers(1, 8)), -int(rng.integers(1, 8))],
        4,
        **numbers,
        multiplier=multiplier,
        beta_shift=4,
        to_zero=to_zero,
    )
    net = replace(net, encoding="frames")
    plain = Plain(net)
    for choice in np.ndindex((3,) * net.timesteps):
        plain.spikes(np.array([[(0, 0), (255, 0), (0, 255)][index] for index in choice]))
    bound = net.layers[0].largest_value(255, net.timesteps)
    assert plain.largest["layers.0.weight"] <= bound
    assert bound <= 1.5 * plain.largest["layers.0.weight"]  # and it is no idle one


def test_what_could_overflow_is_refused() -> None:
    message = (
        r"layers\.0\.weight: with inputs up to 255 and 10000 time steps a value may reach .*; allowed is 2,147,483"
    )
    with pytest.raises(UserError, match=message):
        one_neuron([127] * 9, 10_000, beta_shift=0)
    with pytest.raises(UserError, match="5 time steps a value may reach 17,592,186,044,416"):
        one_neuron([127], shift=40)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 3), np.uint8), r"takes uint8 \[B, 2\]; found uint8 \[2, 3\]"),
        (np.zeros((2, 2), np.float32), r"takes uint8 \[B, 2\]; found float32"),
        (np.zeros((0, 2), np.uint8), r"found uint8 \[0, 2\]"),
        (np.full((1, 2), 200, np.uint8), "allowed are 0 to 100; found 200"),
    ],
)
def test_inputs_that_do_not_fit(inputs: np.ndarray, message: str) -> None:
    net = replace(one_neuron([7, -3]), largest_input=100)
    with pytest.raises(DataError, match=message):
        net.run(inputs)
