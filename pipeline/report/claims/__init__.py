"""What the paper claims, held against this experiment's results by one stated rule."""
