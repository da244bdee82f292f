"""What a project no longer needs, and removing it: `snnprune clean`."""
