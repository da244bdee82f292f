"""Pruning of spiking neural networks: networks, training, methods, time and energy."""
