"""``Prefer: respond-async`` (RFC 7240): the caller of a model would rather have a job."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec
from urllib.request import parse_http_list

from model_serving.web.request import current_request

P = ParamSpec("P")
HandIn = Callable[[], tuple[Any, int, dict[str, str]]]

PREFER_HEADER = "Prefer"
APPLIED_HEADER = "Preference-Applied"
_ASYNC = "respond-async"


def or_later(post: Callable[P, Any], hand_in: HandIn) -> Callable[P, Any]:
    """Return ``post``, which hands in a job instead where the caller prefers that."""

    @wraps(post)
    def chosen(*args: P.args, **kwargs: P.kwargs) -> Any:
        if not wants_job(current_request().headers.getlist(PREFER_HEADER)):
            return post(*args, **kwargs)
        told, status, headers = hand_in()
        return told, status, headers | {APPLIED_HEADER: _ASYNC}

    return chosen


def wants_job(headers: Iterable[str]) -> bool:
    """Say whether one of the preferences is it; parameters of it do not matter."""
    return any(_is_async(one) for header in headers for one in parse_http_list(header))


def _is_async(preference: str) -> bool:
    name, _, value = preference.partition(";")[0].partition("=")
    return name.strip().lower() == _ASYNC and value.strip() in ("", '""')
