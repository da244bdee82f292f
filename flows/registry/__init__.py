"""MLflow's model registry: which pruned net is the champion, requests kept for later, and serving it."""
