"""A scorer for tests."""

from typing import Any

from model_serving.serving.wire import Priority


class Scripted:
    """A scorer that does for each name what is set for it, or returns the name."""

    def __init__(self, **answers: object) -> None:
        self._answers = answers

    def accepts_property(self, name: str, value: Any) -> bool:
        """Accept anything."""
        return True

    def checked(self, body: Any) -> Any:
        """Take anything."""
        return body

    async def score(self, body: Any, priority: Priority) -> Any:
        """Return what was set, or raise it."""
        answer = self._answers.get(body["name"], body["name"])
        if isinstance(answer, Exception):
            raise answer
        return answer
