"""The network that a spiking one competes with: the same layers with ReLU, one pass, and activations of few bits."""
