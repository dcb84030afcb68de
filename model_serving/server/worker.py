"""gunicorn's worker, as its master knows it."""

import importlib
import signal
from typing import Any

from gunicorn.errors import AppImportError
from gunicorn.workers.base import Worker

from model_serving.memory import give_back_large_blocks

_KINDS = {
    "main:asgi": ("model_serving.server.asgi_worker", "FrontWorker"),
    "main:app": ("model_serving.server.thread_worker", "LingeringThreadWorker"),
}
# The master blocks these around the fork: a worker lets them through once it has handlers for them.
ENDS = {signal.SIGTERM, signal.SIGQUIT}


class HttpWorker(Worker):
    """Becomes the worker for its application after the fork.

    So it is the newest code after a reload, and the master needs no memory for it.
    """

    tmp: Any

    def init_process(self) -> None:
        """Begin as what it has become.

        Raises:
            AppImportError: no such application is known here.
        """
        if self.app.app_uri not in _KINDS:
            raise AppImportError(f"not {self.app.app_uri!r}, but {' or '.join(_KINDS)} is served")
        give_back_large_blocks()
        module, name = _KINDS[self.app.app_uri]
        told = (self.age, self.ppid, self.sockets, self.app, self.timeout, self.cfg, self.log)
        sign_of_life: Any = self.tmp  # The master looks at this one.
        self.__class__ = getattr(importlib.import_module(module), name)
        self.__init__(*told)  # type: ignore[misc]
        self.tmp.close()
        self.tmp = sign_of_life
        self.init_process()
