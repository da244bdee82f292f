"""Training and inference whose cost follows the synapses that are left."""
