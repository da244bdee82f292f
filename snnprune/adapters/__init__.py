"""Networks of the user's own: any module of torch's layers and known spiking neurons, run by its own forward."""
