"""What stages read and write: params, datasets, files, paths, resume points."""
