"""What is asked: a model's URL at a running service, and the bodies of the requests."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.load.client import Target

ASK_TIMEOUT_S = 10.0


class Unusable(Exception):
    """There is nothing to call; the message says why in one line."""


def find_url(folder: Path) -> str:
    """Return where the folder's running service is.

    Raises:
        Unusable: none has been started.
    """
    try:
        return (folder / "tmp/gunicorn.url").read_text(encoding="utf-8").strip()
    except OSError:
        raise Unusable("no service runs in this folder: bin/start.sh, or --url=URL") from None


def find_model(url: str, model: str, bodies: list[bytes] | None, timeout_s: float) -> Target:
    """Return how to call a model, by default with its own examples.

    Raises:
        Unusable: nobody answers, there is no such model, or it has no examples.
    """
    status, described = _get(f"{url}/v1/{model}")
    if status != httpx.codes.OK:
        names = ", ".join(model_names(url))
        raise Unusable(f"there is no model {model!r} at {url}; there are: {names}")
    if bodies is None:
        examples = described.get("examples", [])
        bodies = [json.dumps(example["request"]).encode() for example in examples]
    if not bodies:
        raise Unusable(f"{model} has no examples: give requests by --input=FILE")
    return Target(f"{url}/v1/{model}", bodies, timeout_s)


def model_names(url: str) -> list[str]:
    """Return the models of a service.

    Raises:
        Unusable: nobody answers.
    """
    return [model["name"] for model in _get(f"{url}/v1")[1].get("models", [])]


def _get(url: str) -> tuple[int, Any]:
    headers = {"Accept": "application/json"}
    try:
        answer = httpx.get(url, headers=headers, timeout=ASK_TIMEOUT_S, trust_env=False)
        return answer.status_code, answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unusable(f"no service answers at {url}: {error}") from None
    except ValueError:
        raise Unusable(f"what answers at {url} is not the service") from None


def read_bodies(file: Path) -> list[bytes]:
    """Return the lines of a JSON Lines file.

    Raises:
        Unusable: it cannot be read, or a line is no JSON.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                json.loads(line)
        except ValueError as error:
            raise Unusable(f"{file}:{number}: no JSON: {error}") from None
    bodies = [line for line in lines if line.strip()]
    if not bodies:
        raise Unusable(f"{file}: no requests")
    return bodies
