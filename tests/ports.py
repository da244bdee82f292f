"""A free port for the servers that tests start."""

import socket


def free_port() -> int:
    """One of 127.0.0.1 that nothing listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
