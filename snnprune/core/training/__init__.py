"""Training of a spiking network, dense or under a mask."""
