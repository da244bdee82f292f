"""The command `snnprune prune`: a network of the user's own, on data of their own, without a project."""
