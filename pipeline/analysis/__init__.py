"""From result files to the comparison: statistics, tables, figures."""
