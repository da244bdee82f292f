"""Weights of few bits and neurons in whole numbers: rounding, fine-tuning for it, and the integer network."""
