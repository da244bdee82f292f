"""Orchestration: DVC graph, stage processes, the Prefect flow, and MLflow tracking. No maths here."""
