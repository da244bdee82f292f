"""Copies of what git and DVC's remote do not hold, and putting them back: `snnprune backup`, `snnprune restore`."""
