"""The comparison of methods: one table, its summary over seeds, figures."""
