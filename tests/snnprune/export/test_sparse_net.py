"""Sparse rows against torch's own layers, and what is left out, by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import snnprune
from snnprune.core.network import SpikingNetwork
from snnprune.export.neurons import FloatNeurons, IntegerNeurons
from snnprune.export.sparse_layers import of_integers, of_network, read_layers
from snnprune.export.sparse_net import DEPENDS, SparseLayer, known_spikes
from snnprune.quantise.integer import Csr, IntegerLayer, IntegerNetwork
from tests.snnprune.export.nets import net


def sums(layer: SparseLayer, image: np.ndarray) -> np.ndarray:
    """[rows, height, width] by the equation at the top of the module."""
    out = np.zeros((layer.rows, layer.height, layer.width))
    for row, column, value in zip(layer.row_of, layer.columns, layer.values, strict=True):
        for y in range(layer.height):
            for x in range(layer.width):
                out[row, y, x] += value * image.ravel()[column + y * layer.y_step + x * layer.x_step]
    return out


def test_places_of_a_convolution_are_torchs() -> None:
    network = net("stride and pooling on frames", sparsity=0.2)
    layer, image = read_layers(network)[0], torch.rand(2, 11, 9, dtype=torch.float64)
    expected = functional.conv2d(image[None], network.layers[0].weight.double(), stride=2)[0].detach().numpy()
    np.testing.assert_allclose(sums(layer, image.numpy()), expected, rtol=1e-12, atol=1e-12)
    assert (layer.pool, layer.area) == (2, 4)


def chain(*layers: tuple[list[list[float]], list[float]], **model: object) -> SpikingNetwork:
    """A dense network of these weights [outputs, inputs] and biases."""
    counts = [len(layers[0][0][0]), *(len(bias) for _, bias in layers)]
    network = snnprune.build(counts, **{"beta": 0.5, "timesteps": 5, **model})
    with torch.no_grad():
        for linear, (weight, bias) in zip(network.layers[1::2], layers, strict=True):
            linear.weight.copy_(torch.tensor(weight))
            linear.bias.copy_(torch.tensor(bias))
    return network


# Neuron 0 depends on the input. 1 fires from its bias alone: U = 0.6, 0.9, 1.05 (fires), 0.125, 0.6625 by subtraction;
# 0.6, 0.9, 1.05, 0.6, 0.9 to zero. 2 stays at 0.5 * (1 + ...) < 1.
FIRST = ([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]], [0.0, 0.6, 0.4])


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_a_neuron_without_synapses_fires_as_its_bias_says(reset: str) -> None:
    network = chain(FIRST, ([[1.0, 1.0, 1.0]], [0.0]), reset=reset)
    first, last = known_spikes(read_layers(network), 5)
    assert first.tolist() == [[DEPENDS] * 5, [0, 0, 1, 0, 0], [0] * 5]
    assert last.tolist() == [[DEPENDS] * 5]


def test_what_is_driven_by_known_spikes_alone_is_known() -> None:
    """Neuron 0 of the second layer sees only spikes at step 2: U = 0.8, 1.2 (fires), 0.4 + 1.2 (fires), ..."""
    second = ([[0.0, 1.0, 5.0], [1.0, 0.0, 0.0]], [0.8, 0.0])
    found = known_spikes(read_layers(chain(FIRST, second, ([[1.0, 1.0]], [0.0]))), 5)[1]
    membrane, spikes = 0.0, []
    for current in (0.8, 0.8, 1.8, 0.8, 0.8):
        membrane = 0.5 * membrane + current - (membrane > 1)
        spikes.append(int(membrane > 1))
    assert found.tolist() == [spikes, [DEPENDS] * 5]


def test_a_neuron_that_no_spikes_can_drive_over_its_threshold_is_silent() -> None:
    """Of two spikes 0.249 each with beta 0.5 the potential stays below 0.498 * 2 < 1; 0.26 may pass it."""
    for weight, expected in ((0.249, 0), (0.26, DEPENDS)):
        second = ([[weight, weight, 0.0]], [0.0])
        first = ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 0.0])
        found = known_spikes(read_layers(chain(first, second, timesteps=50)), 50)[1]
        assert set(found[0].tolist()) == {expected}


def test_what_nothing_reads_is_left_out_and_the_rest_renumbered() -> None:
    """Of the first layer 0 is computed, 1 a table, 2 silent, 3 read by no class."""
    weight, bias = FIRST
    first = ([*weight, [1.0, 0.0]], [*bias, 0.0])
    network = chain(first, ([[0.5, 0.25, 2.0, 0.0], [0.0, 0.75, 3.0, 0.0]], [0.0, 0.0]))
    first, last = of_network(network).layers
    assert (first.rows, first.columns.tolist(), first.values.tolist()) == (1, [0, 1], [1.0, 1.0])
    assert first.table.tolist() == [[0, 0, 1, 0, 0]]
    assert (last.inputs, last.starts.tolist(), last.columns.tolist()) == (2, [0, 2, 3], [0, 1, 1])
    assert last.values.tolist() == [0.5, 0.25, 0.75]
    net = of_network(network)
    assert (net.operations, net.updates) == (2 + 5 * 3, 5 * 3)  # the constant input once


def test_integer_neurons_count_as_the_integer_network_does() -> None:
    """A row of bias 60, threshold 100, beta 1/2: U = 60, 90, 105 (fires), 53 - 100 + 60 = 13, 67."""
    neurons = IntegerNeurons(*(np.array([value], np.int32) for value in (60, 100, 1, 0)), beta_shift=1, to_zero=False)
    none = np.zeros(0, np.int8), np.zeros((0, 5), np.int8)
    assert neurons.spikes(0, *none).tolist() == [0, 0, 1, 0, 0]
    synapses = Csr(1, np.array([0, 0], np.uint32), np.zeros(0, np.uint16), np.zeros(0, np.int8))
    arrays = neurons.shift, neurons.bias, neurons.threshold, neurons.multiplier
    layer = IntegerLayer("one", synapses, np.ones(1), *arrays, beta_shift=1, to_zero=False)
    network = IntegerNetwork((layer, layer), 8, 5, "direct", (1,), 255, 255)
    assert network.run(np.zeros((1, 1), np.uint8)).tolist() == [[1]]
    assert of_integers(network).layers[1].rows == 1  # a class stays


def test_a_bound_on_integers_allows_for_rounding() -> None:
    whole = IntegerNeurons(*(np.array([value], np.int32) for value in (0, 100, 1, -1)), beta_shift=1, to_zero=False)
    exact = FloatNeurons(*(np.array([value], np.float32) for value in (0, 0.5, 100)), to_zero=False)
    for most in (90.0, 95.0, 98.0):
        inputs = np.ones((1, 30), np.int8)
        fires = whole.spikes(0, np.array([most], np.int8), inputs).any()
        assert not (fires and whole.never_fire(np.array([most]), 30)[0])
    assert whole.never_fire(np.array([90.0]), 30)[0]
    assert exact.never_fire(np.array([49.0]), 30)[0]
    assert not exact.never_fire(np.array([50.1]), 30)[0]
