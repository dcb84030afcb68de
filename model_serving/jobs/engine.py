"""The engine: tells the workers, of this machine and of others, that there is work for them.

A message carries nothing: whoever gets it looks at once, and not within a second, into the record
for whose turn it is. So one that is lost or comes twice does no harm.
"""

import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.utils.url import url_to_parts

from model_serving.errors import ConfigError, EngineFailed

WORK = "model_serving.work"
FOLDER = "filesystem://"  # The default: no server at all.
_POLL_S = 0.05  # How often a folder is looked at.
# A broker that is away, or swallows what it gets, must not hold a request for long.
_PATIENCE_S = 3.0
_AGAIN_S = 2.0
_ONCE: dict[str, Any] = {"max_retries": 0}
_TWICE: dict[str, Any] = {"max_retries": 1, "interval_start": 0}  # A connection kept may be dead.
# Celery's worker asks Redis to wait for 1 s at most, so that it is never cut off.
_REDIS = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
_QUEUE = "jobs"


class Engine:
    """Celery with our one task; it may be used by several threads."""

    def __init__(self, url: str, folder: Path) -> None:
        """Use the broker at ``url``, or ``folder`` where that is ``filesystem://``.

        Raises:
            ConfigError: the URL is wrong, or the library for it is not there.
        """
        try:
            url_to_parts(url)
        except ValueError:  # Its message may hold a part of a password.
            raise ConfigError(
                "broker_url: it is no URL; special letters of a password are written as in %23"
            ) from None
        options = dict(_ONCE)
        if url == FOLDER:
            url = "filesystem://localhost/"  # Without a host, each connection logs a warning.
            options |= _folder_options(folder)
        elif url.startswith("redis"):
            if importlib.util.find_spec("redis") is None:
                raise ConfigError("broker_url: Redis needs the package redis")
            options |= _REDIS
        self.celery = Celery("model_serving", broker=url, set_as_current=False)
        self.celery.amqp.Connection = _Connection
        if url.startswith("filesystem"):
            self.celery.conf.update(
                broker_transport="model_serving.jobs.folder:Transport",
                worker_enable_remote_control=False,  # It needs a server.
            )
        self.celery.conf.update(
            broker_channel_error_retry=True,  # As of a Redis that takes nothing: it may again.
            broker_connection_max_retries=None,
            broker_connection_retry_on_startup=True,
            broker_connection_timeout=_PATIENCE_S,
            broker_transport_options=options,
            task_ignore_result=True,
            task_default_queue=_QUEUE,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            worker_prefetch_multiplier=16,  # A folder is looked at again once these are done.
        )

    def tell(self) -> None:
        """Tell that there is work.

        Raises:
            EngineFailed: the broker cannot be reached.
        """
        try:
            self.celery.send_task(WORK, retry=True, retry_policy=_TWICE)
        except Exception as error:  # Each transport has a tree of errors of its own.
            raise EngineFailed from _cause(error)

    def check(self) -> None:
        """Find out whether the broker is there, by a new connection: an old one may be dead.

        Raises:
            EngineFailed: it cannot be reached, or does not answer in time.
        """
        try:
            with self.celery.connection_for_write() as connection:
                connection.ensure_connection(**_ONCE)
        except Exception as error:
            raise EngineFailed from _cause(error)


class _Connection(Connection):
    """A connection that is tried again every few seconds, not more and more rarely."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Return once there is a connection."""
        return super().ensure_connection(*arguments, **{"interval_max": _AGAIN_S} | options)  # type: ignore[no-untyped-call]


def _folder_options(folder: Path) -> dict[str, Any]:
    messages = folder / "messages"
    with suppress(OSError):  # On a read-only disk each use fails, and says so.
        messages.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "polling_interval": _POLL_S,
    }


def _cause(error: Exception) -> Exception:
    """Return an error without the hundred lines of Celery's that led to it, for the log."""
    return ConnectionError(f"{type(error).__name__}: {error}")
