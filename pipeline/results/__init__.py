"""Results as a tracker shows them: where they lie, whether they are those of dvc.lock, what is in them."""
