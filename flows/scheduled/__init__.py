"""Prefect: the experiment as a flow, its deployments and their schedules, and the git worktrees that those runs use."""
