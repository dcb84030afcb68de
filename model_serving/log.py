"""Logging as ``conf/logging.conf`` says, fitted to where the service runs."""

import configparser
import logging
import logging.config
import tempfile
import threading
from collections import deque
from pathlib import Path

from model_serving.config import CONF_DIR, Config
from model_serving.place import ROOT

LOG_FILE_NAME = "service.log"
DELAY_S = 0.05


class BackgroundHandler(logging.Handler):
    """Writes what is logged by a thread of its own, all that has come in 50 ms at once.

    The lock, the write and the change of threads that each line would cost a request are a quarter
    of what an HTTP worker does. A warning, or worse, is written at once, with what came before it.
    """

    def __init__(self, handlers: list[logging.Handler]) -> None:
        """Take the place of ``handlers``, which go on to do the writing."""
        super().__init__()
        self._handlers = [(handler, handler.formatter) for handler in handlers]
        for handler in handlers:
            handler.setFormatter(None)  # They get lines that are made already.
        self._records: deque[logging.LogRecord] = deque()
        self._writing = threading.RLock()  # A signal's handler may log while this thread writes.
        self._arrival = threading.Event()
        self._end = threading.Event()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record for a moment."""
        try:
            record.msg, record.args = record.getMessage(), None
        except Exception:
            self.handleError(record)
            return
        self._records.append(record)
        if record.levelno >= logging.WARNING:
            self.flush()
        elif not self._arrival.is_set():
            self._arrival.set()

    def flush(self) -> None:
        """Write what has come."""
        with self._writing:  # Not the handler's lock: who logs meanwhile does not wait.
            records = [self._records.popleft() for _ in range(len(self._records))]
            for handler, formatter in self._handlers:
                form = formatter or logging.Formatter()
                lines = [form.format(r) for r in records if r.levelno >= handler.level]
                if lines:
                    handler.handle(logging.makeLogRecord({"msg": "\n".join(lines)}))

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._end.set()
        self._arrival.set()
        self.flush()
        super().close()

    def _write_on(self) -> None:
        while not self._end.is_set():
            self._arrival.wait()
            self._arrival.clear()
            self._end.wait(DELAY_S)
            self.flush()


def configure_logging(
    config: Config,
    conf_file: Path = CONF_DIR / "logging.conf",
    in_background: bool = False,
) -> None:
    """Set the process's logging up, without the log file where it cannot be written.

    ``in_background`` spares the threads that log the writing; it does not survive a fork.
    """
    path = ROOT / config.log_dir / LOG_FILE_NAME
    unwritable = _why_unwritable(path)
    dropped = {"file"} if unwritable else set()
    if not (config.log_console or unwritable):
        dropped.add("console")

    parser = configparser.RawConfigParser()
    parser.read(conf_file, encoding="utf-8")
    for section in parser.sections():
        option = "keys" if section == "handlers" else "handlers"
        if parser.has_option(section, option):
            kept = [name for name in parser.get(section, option).split(",") if name not in dropped]
            parser.set(section, option, ",".join(kept))
    if parser.has_section("handler_file"):
        args = parser.get("handler_file", "args").replace("%(log_file)s", repr(str(path)))
        parser.set("handler_file", "args", args)
    logging.config.fileConfig(parser, disable_existing_loggers=False)
    logging.captureWarnings(True)
    root = logging.getLogger()
    if in_background and root.handlers:
        root.handlers = [BackgroundHandler(root.handlers)]
    if unwritable:
        logging.getLogger("service").info("no log file, console alone: %s", unwritable)


def _why_unwritable(path: Path) -> OSError | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The handler opens the file, and makes others beside it: its lock, and the rotated ones.
        with path.open("a"), tempfile.TemporaryFile(dir=path.parent):
            return None
    except OSError as error:
        return error
