"""Ports that nobody listens on."""

import socket


def free_port() -> int:
    """Return one that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
