"""The three calls of the README, and what they must bring wherever the service runs."""

from typing import Any

import httpx

from tests.services.processes import PATIENCE_S

ANSWERS = [
    (400, {"message": "No JSON object"}),
    (400, {"message": "'name' is a required property"}),
    (200, {"result": "Hello, Leo!"}),
]


def client(url: str) -> httpx.Client:
    """Return a client that asks the machine's settings for nothing."""
    return httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False)


def three_calls(url: str) -> list[tuple[int, Any]]:
    """Call XXXModel without a body, with an empty one and with a right one."""
    with client(url) as caller:
        responses = [
            caller.post("/v1/XXXModel"),
            caller.post("/v1/XXXModel", json={}),
            caller.post("/v1/XXXModel", json={"name": "Leo"}),
        ]
    return [(response.status_code, response.json()) for response in responses]


def greeting(url: str) -> Any:
    """Return what the model says to Leo."""
    with client(url) as caller:
        return caller.post("/v1/XXXModel", json={"name": "Leo"}).raise_for_status().json()["result"]
