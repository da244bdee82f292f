"""Trained networks in other tools' forms: one file for each target, listed in `registry`."""
