"""Brings a DVC target up to date: DVC's graph, stages side by side, commands on this machine or on Dask workers."""
