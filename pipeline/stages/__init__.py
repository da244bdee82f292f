"""Entry points of the DVC stages: read a params block, call pure functions, write files."""
