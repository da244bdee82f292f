"""`snnprune check-data`: what a dataset holds, whether it can be used, and what to write into params.yaml for it."""
