"""Spiking networks, their training, and what all of the library shares: datasets, errors, schemas, seeds."""
