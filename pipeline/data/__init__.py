"""Datasets: where they come from, how they are checked, split and stored."""
