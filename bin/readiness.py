"""Wait until the service is ready: readiness.py <url> <pid> <timeout_s>.

Prints its models and ends with 0 once all of them are ready; prints the reason and ends with 1 when
one cannot be loaded, the process has ended, or the time is over. It needs the standard library
alone.
"""

import http.client
import json
import os
import select
import signal
import sys
import time
from typing import Any
from urllib.parse import urlsplit


class NotReady(Exception):
    """The service is not ready, and will not be by waiting."""


def wait_until_ready(url: str, pid: int, timeout_s: float) -> None:
    """Return once every model is ready.

    Raises:
        NotReady: that is not going to happen, with the reason.
    """
    deadline_s = time.monotonic() + timeout_s
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        raise NotReady("the service has ended") from None
    reason = "the service did not answer"
    while (left_s := deadline_s - time.monotonic()) > 0:
        try:
            status, answer = get(url, "/readyz", left_s)
        except (http.client.HTTPException, ValueError):
            raise NotReady("something else than the service answers there") from None
        except OSError:  # Nobody listens yet.
            pass
        else:
            if status == 200:
                return
            reason = answer["message"]
            if "failed" in answer.get("models", {}).values():
                raise NotReady("; ".join(_failures(answer)))
        # Ask again in a moment, or hear at once that the process has ended.
        if select.select([process], [], [], 0.1)[0]:
            raise NotReady("the service has ended")
    raise NotReady(f"{reason} (after {timeout_s:g} s)")


def _failures(answer: Any) -> list[str]:
    """Return the parts of a message that tell of models that failed."""
    failed = [name for name, state in answer["models"].items() if state == "failed"]
    parts = answer["message"].split("; ")
    return [part for part in parts if part.partition(":")[0] in failed] or parts


def get(url: str, path: str, timeout_s: float) -> tuple[int, Any]:
    """Return the status and the JSON body of an answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()


def main(url: str, pid: str, timeout_s: str) -> None:
    """Wait, and print what there is to know."""
    try:
        wait_until_ready(url, int(pid), float(timeout_s))
        _, answer = get(url, "/v1", float(timeout_s))
    except NotReady as reason:
        sys.exit(f"not ready: {reason}")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `status.sh | head -1` is no error.
    for model in answer.get("models", []):
        print(f"  {model['name']:<16} {model.get('state', ''):<10} {url}{model['url']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
