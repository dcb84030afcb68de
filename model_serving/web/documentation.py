"""What an operation says of itself, for the OpenAPI document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """A response: what it means, and the JSON Schema of its body (None: it has no JSON body).

    ``headers`` maps those of its own to their schemas.
    """

    description: str
    schema: Schema | None = None
    headers: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class Documentation:
    """One method of one route.

    ``query`` maps the parameters of its query to their descriptions or their schemas, ``headers``
    the headers that it reads to their schemas.
    """

    summary: str
    answers: Mapping[int, Answer]
    errors: Sequence[int] = (500,)
    query: Mapping[str, str | Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)


def documented(documentation: Documentation) -> Callable[[Method], Method]:
    """Attach its documentation to a resource's method."""

    def attach(method: Method) -> Method:
        method.documentation = documentation  # type: ignore[attr-defined]
        return method

    return attach


def documentation_of(method: Callable[..., Any]) -> Documentation:
    """Return what ``documented`` attached, or else what holds of any method."""
    undocumented = Documentation("", {200: Answer("The response", {})}, errors=(400, 500))
    documentation: Documentation = getattr(method, "documentation", undocumented)
    return documentation
