"""Ask a health route again and again, by new connections, as a load balancer does.

``python -m tests.load.probe <host:port> <path> <seconds>`` prints the worst latency in ms and how
many calls were not answered 200. It is a process of its own, so that its clock is not held up by
the clients of its parent.
"""

import http.client
import sys
import time

INTERVAL_S = 0.05
TIMEOUT_S = 30.0


def ask(address: str, path: str) -> tuple[float, bool]:
    """Return how long a call took in seconds, and whether it was answered 200."""
    asked_s = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        is_ok = connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        is_ok = False
    finally:
        connection.close()
    return time.monotonic() - asked_s, is_ok


def main(address: str, path: str, seconds: str) -> None:
    """Ask, and print what came of it."""
    end_s = time.monotonic() + float(seconds)
    worst_s, bad = 0.0, 0
    while time.monotonic() < end_s:
        taken_s, is_ok = ask(address, path)
        worst_s = max(worst_s, taken_s)
        bad += not is_ok
        time.sleep(INTERVAL_S)
    print(worst_s * 1000, bad)


if __name__ == "__main__":
    main(*sys.argv[1:])
