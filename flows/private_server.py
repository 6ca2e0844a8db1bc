"""The process behind `flows.server`: Prefect's API on an inherited socket, until the parent is gone.

    python -m flows.private_server <file descriptor of a listening socket>

Standard input is the lifeline: it reaches its end when the parent closes it or dies, by whatever signal,
and the server then stops. So no run leaves a server behind.
"""

import sys
from threading import Thread

import uvicorn


def main() -> None:
    """Serve until standard input ends."""
    descriptor = int(sys.argv[1])
    server = uvicorn.Server(
        uvicorn.Config(
            "prefect.server.api.server:create_app",
            factory=True,
            fd=descriptor,
            lifespan="on",
            log_level="error",
            timeout_graceful_shutdown=1,
        )
    )
    Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    server.run()


def _stop_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
