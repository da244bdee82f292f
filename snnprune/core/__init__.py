"""What all of the library rests on: errors, schemas, seeds, whole files, data in memory."""
