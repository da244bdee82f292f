"""Nets of a project, or of files, for other tools: the command `snnprune export` and what the stage shares with it."""
