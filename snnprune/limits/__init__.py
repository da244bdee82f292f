"""Pruning to what a chip can hold or spend: budgets of bytes, operations or energy, and limits of structure."""
