"""What every pruning method shares: masks, exact selection, scores, the guarded fine-tuning."""
