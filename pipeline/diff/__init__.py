"""What changed in committed results between two git revisions, as Markdown: `snnprune diff`."""
