"""Spiking networks: the fused LIF, encodings, networks built from a list of layers."""
