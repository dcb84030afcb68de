"""Print a port that nobody listens on: the given one, or the first that is free from 8080 on."""

import socket
import sys

FIRST = 8080


def main(wanted: str) -> None:
    """Print the port; end with 1 where there is none."""
    for port in [int(wanted)] if wanted else range(FIRST, FIRST + 100):
        try:
            socket.create_server(("0.0.0.0", port)).close()
        except OSError:
            continue
        print(port)
        return
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
