"""Studies around the comparison: why the solver's masks miss, what revives pruned weights, how thresholds behave."""
