"""The science: data, spiking networks, training, pruning, comparison, and the stages that DVC runs."""
