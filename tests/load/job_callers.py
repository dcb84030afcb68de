"""Callers who hand in jobs whatever happens to the service, and look whether they got all."""

import http
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tests.services.processes import PATIENCE_S

MODEL = "/v1/XXXModel"
TIMEOUT_S = 30.0
_AGAIN_S = 0.1
_LOOK_S = 0.5
_AGAIN = (429, 500, 502, 503, 504, 507)
_SHOWN = 10  # faults


@dataclass(frozen=True)
class Asked:
    """A job: its key, and the names to be greeted."""

    key: str
    names: list[str]

    @property
    def body(self) -> bytes:
        """JSON Lines."""
        return b"".join(b'{"name": "%s"}\n' % name.encode() for name in self.names)

    @property
    def result(self) -> list[str]:
        """What is to come of it."""
        return [f"Hello, {name}!" for name in self.names]


@dataclass
class Tally:
    """What came of all jobs."""

    accepted: int = 0
    ended: int = 0
    lost: int = 0
    twice: int = 0
    processed: int = 0
    expected: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether all is as it must be."""
        is_whole = self.accepted == self.ended and self.processed == self.expected
        return is_whole and not (self.lost or self.twice or self.faults)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"jobs: accepted {self.accepted}, ended {self.ended}",
                f"instances: lost {self.lost}, twice {self.twice}, "
                f"processed {self.processed} of {self.expected}",
                *self.faults[:_SHOWN],
            ]
        )


class Callers:
    """They hand in from several threads, and remember what they were told."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._accepted: dict[str, Asked] = {}
        self._ended: dict[str, dict[str, Any]] = {}  # as first seen
        self._faults: list[str] = []
        self._has_ended = threading.Event()

    def end(self) -> None:
        """Let nobody ask again."""
        self._has_ended.set()

    def hand_in(self, asked: Asked) -> None:
        """Ask until a job is accepted.

        Raises:
            AssertionError: it is refused.
        """
        headers = {"Idempotency-Key": asked.key, "Content-Type": "application/x-ndjson"}
        answer = self._until_answered("POST", f"{MODEL}/jobs", content=asked.body, headers=headers)
        assert answer.status_code == http.HTTPStatus.ACCEPTED, answer.text
        self._accepted[answer.json()["id"]] = asked

    def call_without(self, server: str, for_s: float) -> None:
        """While a server is away, call the model, and hand in a job, which must be refused."""
        end_s = time.monotonic() + for_s
        while True:
            answer = self._client.post(MODEL, json={"name": "Leo"})
            if answer.status_code != http.HTTPStatus.OK:
                self._faults.append(f"without the {server} a caller got: {answer.text}")
            if time.monotonic() >= end_s:
                break
            self.pause(_AGAIN_S)
        answer = self._client.post(f"{MODEL}/jobs", json={"name": "Leo"})
        if answer.status_code != http.HTTPStatus.SERVICE_UNAVAILABLE or server not in answer.text:
            self._faults.append(f"without the {server} a job got: {answer.text}")

    def look(self) -> None:
        """Remember what has succeeded lately."""
        succeeded = self._until_answered("GET", "/v1/jobs", params={"state": "succeeded"}).json()
        for job in succeeded["jobs"]:
            self._ended.setdefault(job["id"], job)

    def wait_for_all(self) -> None:
        """Return once all jobs have ended.

        Raises:
            AssertionError: for long nothing has happened.
        """
        seen, deadline_s = self._open(), time.monotonic() + PATIENCE_S
        while left := self._open():
            if left != seen:
                seen, deadline_s = left, time.monotonic() + PATIENCE_S
            assert time.monotonic() < deadline_s, f"nothing happens to {left}"
            self.pause(_LOOK_S)

    def tally(self) -> Tally:
        """Fetch and count everything."""
        tally = Tally(accepted=len(self._accepted), faults=self._faults)
        for job in self._all():
            if (asked := self._accepted.get(job["id"])) is None:
                tally.twice += job["progress"]["total"]
                tally.faults.append(f"nobody knows of {job}")
                continue
            tally.ended += job["ended"] is not None
            tally.processed += job["progress"]["done"]
            tally.expected += len(asked.names)
            self._count(tally, job, asked)
        return tally

    def _count(self, tally: Tally, job: dict[str, Any], asked: Asked) -> None:
        lines = self._until_answered("GET", job["links"]["result"]).content.splitlines()
        found = [orjson.loads(line).get("result") for line in lines]
        tally.lost += (Counter(asked.result) - Counter(found)).total()
        tally.twice += (Counter(found) - Counter(asked.result)).total()
        if found != asked.result or job["state"] != "succeeded":
            tally.faults.append(f"wrong results of {job}")
        if self._ended.get(job["id"], job) != job:
            tally.faults.append(f"{job} was {self._ended[job['id']]} before")

    def _open(self) -> list[dict[str, Any]]:
        # Not by state: a job that changes that between two questions would be in neither answer.
        return [job for job in self._all() if job["ended"] is None]

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        url: str | None = "/v1/jobs?limit=500"
        while url is not None:
            page = self._until_answered("GET", url).json()
            found += page["jobs"]
            url = page["next"]
        return found

    def _until_answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        while not self._has_ended.is_set():
            try:
                answer = self._client.request(method, path, **request)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code not in _AGAIN:
                    return answer
            self.pause(_AGAIN_S)
        raise AssertionError("the callers were sent away")

    def pause(self, for_s: float) -> None:
        """Wait."""
        self._has_ended.wait(for_s)
