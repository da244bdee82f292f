"""Which pruned net is to be served, and whether it may take the champion's place: by validation accuracy alone."""
