"""Files in, files out: what DVC runs."""
