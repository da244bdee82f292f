"""Fewer time steps: how early the answer stands, and running no longer than that."""
