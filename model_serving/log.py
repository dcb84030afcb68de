"""Logging as ``conf/logging.conf`` says, fitted to where the service runs."""

import configparser
import logging
import logging.config
import os
import tempfile
import threading
import time
from collections import deque
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import cast

from model_serving.config import CONF_DIR, Config
from model_serving.place import NODE_VARIABLE, ROOT

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
        self._records: deque[logging.LogRecord | tuple[logging.LogRecord, float, str]] = deque()
        self._writing = threading.RLock()  # A signal's handler may log while this thread writes.
        self._arrival = threading.Event()
        self._end = threading.Event()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    def createLock(self) -> None:  # noqa: N802
        """Do without the lock of other handlers: a deque needs none."""
        self.lock = None

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

    def note(self, record: logging.LogRecord, created_s: float, line: str) -> None:
        """Keep a line for a moment, to be written as this record with its own time and message."""
        self._records.append((record, created_s, line))
        if not self._arrival.is_set():
            self._arrival.set()

    def flush(self) -> None:
        """Write what has come."""
        with self._writing:  # Not the handler's lock: who logs meanwhile does not wait.
            records = [self._records.popleft() for _ in range(len(self._records))]
            for handler, formatter in self._handlers:
                form = formatter or logging.Formatter()
                made = map(_record, records)
                lines = [form.format(r) for r in made if r.levelno >= handler.level]
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


def _record(noted: logging.LogRecord | tuple[logging.LogRecord, float, str]) -> logging.LogRecord:
    if isinstance(noted, logging.LogRecord):
        return noted
    record, created_s, line = noted
    record.created, record.msecs, record.msg = created_s, created_s % 1 * 1000, line
    return record


class RequestLog:
    """Writes a request's line, in the background for a fraction of what ``Logger.info`` costs.

    The record is made once; what differs are its time and its message. So it does not say which
    thread it comes from, or from where in the code.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._record = log.makeRecord(log.name, logging.INFO, "", 0, "", (), None)
        handlers = logging.getLogger().handlers
        self._background = [h for h in handlers if isinstance(h, BackgroundHandler)]
        self._is_alone = 0 < len(self._background) == len(handlers) and not log.handlers

    def write(self, line: str) -> None:
        """Write at the level INFO."""
        if not self._log.isEnabledFor(logging.INFO):
            return
        if self._is_alone:
            for handler in self._background:
                handler.note(self._record, time.time(), line)
        else:
            self._log.info(line)


def request_line(method: str, path: str, status: int, taken_s: float, client: str, id_: str) -> str:
    """Return what the log says of a request; ``client`` is the address that it came from."""
    return f"{method} {path} {status} in {taken_s * 1000:.1f} ms for {client} (request {id_})"


class SharedFileHandler(WatchedFileHandler):
    """Appends to a file to which other processes append too, and which one of them rotates."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record in one piece, or the lines of several processes would mix."""
        try:
            self.reopenIfNeeded()
            stream = self.stream or self._open()
            os.write(stream.fileno(), f"{self.format(record)}\n".encode())
        except Exception:
            self.handleError(record)


def rotate() -> None:
    """Begin a new log file where the old one is full, for all processes that share it."""
    empty = logging.makeLogRecord({})
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RotatingFileHandler) and handler.shouldRollover(empty):
            with cast(threading.RLock, handler.lock):
                handler.doRollover()


class LineFormatter(logging.Formatter):
    """Writes the time only when the second changes; ``datefmt`` must not show less than that."""

    _newest = (-1, "")  # Together, as several handlers may share the formatter.

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time of a record."""
        second, text = self._newest
        if int(record.created) != second:
            text = super().formatTime(record, datefmt)
            self._newest = (int(record.created), text)
        return text


def log_path(config: Config) -> Path:
    """Return the log file of the service or the node to which this process belongs."""
    return ROOT / config.log_dir / f"{os.environ.get(NODE_VARIABLE, 'service')}.log"


def configure_logging(
    config: Config,
    conf_file: Path = CONF_DIR / "logging.conf",
    in_background: bool = False,
    rotates: bool = True,
) -> None:
    """Set the process's logging up, without the log file where it cannot be written.

    ``in_background`` spares the threads that log the writing; it does not survive a fork. Of the
    processes that share the file, one ``rotates`` it.
    """
    path = log_path(config)
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
        if not rotates:
            parser.set("handler_file", "class", "model_serving.log.SharedFileHandler")
            parser.set("handler_file", "args", repr((str(path),)))
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
