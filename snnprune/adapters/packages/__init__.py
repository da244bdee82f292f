"""The packages whose spiking neurons are known, one file each: what a network of theirs differs in."""
