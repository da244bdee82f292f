"""Results for others, by DVC's remote: push and pull."""
