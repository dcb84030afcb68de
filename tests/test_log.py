import io
import logging
import multiprocessing
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from model_serving.config import Config
from model_serving.log import BackgroundHandler, configure_logging, rotate
from model_serving.place import ROOT
from tests.services.processes import PATIENCE_S, clean_environment, wait_until

LINE = re.compile(r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] - \[INFO\] - \[XXXModel\] - text")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


def test_log_goes_to_console_and_file_in_one_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Config(log_dir=str(tmp_path / "a % b'c")))
    logging.getLogger("XXXModel").info("text")
    assert LINE.search((tmp_path / "a % b'c" / "service.log").read_text())
    assert LINE.search(capsys.readouterr().err)


def test_log_leaves_the_console_alone_when_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Config(log_dir=str(tmp_path), log_console=False))
    logging.getLogger("XXXModel").info("text")
    assert LINE.search((tmp_path / "service.log").read_text())
    assert capsys.readouterr().err == ""


def test_log_without_a_writable_folder_goes_to_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    configure_logging(Config(log_dir=str(tmp_path / "file" / "tmp"), log_console=False))
    logging.getLogger("XXXModel").info("text")
    console = capsys.readouterr().err
    assert LINE.search(console)
    assert "no log file, console alone" in console


def _write_lines(folder: Path, conf_file: Path, name: str) -> None:
    configure_logging(Config(log_dir=str(folder), log_console=False), conf_file, rotates=False)
    for number in range(1000):
        logging.getLogger(name).info("line %d", number)


def _rotate_until(folder: Path, conf_file: Path, begun: Event, all_written: Event) -> None:
    configure_logging(Config(log_dir=str(folder), log_console=False), conf_file)
    begun.set()
    rotates = True
    while rotates:
        rotates = not all_written.wait(0.005)
        rotate()


def test_log_file_rotates_without_losing_a_line_of_several_processes(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "conf" / "logging.conf"
    conf_file = tmp_path / "logging.conf"
    conf_file.write_text(shipped.read_text().replace("10_000_000, 5", "20_000, 50"))
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_lines, args=(tmp_path, conf_file, f"writer{number}"))
        for number in range(4)
    ]
    begun, all_written = context.Event(), context.Event()
    rotator = context.Process(target=_rotate_until, args=(tmp_path, conf_file, begun, all_written))
    rotator.start()
    assert begun.wait(PATIENCE_S)
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    all_written.set()
    rotator.join()
    logs = list(tmp_path.glob("service.log*"))
    lines = [line for log in logs for line in log.read_text().splitlines()]
    assert len(logs) > 1
    assert len(lines) == len({line.split(" - ", 2)[2] for line in lines}) == 4000


class Written(logging.StreamHandler[io.StringIO]):
    """A handler whose lines can be waited for."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.writes = 0

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.writes += 1

    def lines(self) -> list[str]:
        """Return what has been written."""
        return self.stream.getvalue().splitlines()


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def log(written: Written) -> Iterator[logging.Logger]:
    """Return a logger that writes in the background."""
    handler = BackgroundHandler([written])
    log = logging.Logger("a test", logging.INFO)
    log.addHandler(handler)
    yield log
    handler.close()


def test_background_writes_all_lines_of_many_threads_in_order(
    log: logging.Logger, written: Written
) -> None:
    def write(writer: int) -> None:
        for number in range(500):
            log.info("%d %d", writer, number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    wait_until(lambda: len(written.lines()) >= 4000, "all lines are written")
    for writer in range(8):
        own = [line for line in written.lines() if line.startswith(f"INFO {writer} ")]
        assert own == [f"INFO {writer} {number}" for number in range(500)]
    assert written.writes < 4000


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_background_writes_a_warning_at_once_with_what_came_before(
    log: logging.Logger, written: Written, level: int
) -> None:
    log.info("before 100 %")
    log.log(level, "now")
    assert written.lines() == ["INFO before 100 %", f"{logging.getLevelName(level)} now"]


def test_background_makes_the_message_when_it_is_logged(
    log: logging.Logger, written: Written
) -> None:
    values = [1]
    log.info("%s", values)
    values.append(2)
    log.handlers[0].flush()
    assert written.lines() == ["INFO [1]"]


def test_background_writes_tracebacks(log: logging.Logger, written: Written) -> None:
    try:
        raise KeyError("why")
    except KeyError:
        log.exception("it failed")
    assert written.lines()[:2] == ["ERROR it failed", "Traceback (most recent call last):"]
    assert written.lines()[-1] == "KeyError: 'why'"


def test_background_raises_nothing_where_a_message_cannot_be_made(
    log: logging.Logger, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("%d", "no number")
    log.warning("next")
    assert written.lines() == ["WARNING next"]
    assert "--- Logging error ---" in capsys.readouterr().err


def test_background_keeps_to_the_level_of_each_handler(
    log: logging.Logger, written: Written
) -> None:
    written.setLevel(logging.ERROR)
    log.info("not this")
    log.error("this")
    assert written.lines() == ["ERROR this"]


def test_background_closes_with_all_written_and_no_thread_left(written: Written) -> None:
    before = set(threading.enumerate())
    handler = BackgroundHandler([written])
    (thread,) = set(threading.enumerate()) - before
    handler.handle(logging.makeLogRecord({"msg": "last", "levelname": "INFO", "levelno": 20}))
    handler.close()
    assert written.lines() == ["INFO last"]
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_background_that_was_never_used_closes_with_no_thread_left(written: Written) -> None:
    before = set(threading.enumerate())
    handler = BackgroundHandler([written])
    (thread,) = set(threading.enumerate()) - before
    handler.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


AT_EXIT = """
import logging, sys
from pathlib import Path
from model_serving.config import Config
from model_serving.log import configure_logging, rotate
configure_logging(Config(log_dir=sys.argv[1]), in_background=True)
for number in range(100):
    logging.getLogger("XXXModel").info("line %d", number)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("XXXModel").info("last", exc_info=True)
"""


def test_background_writes_the_rest_at_exit_to_console_and_file(tmp_path: Path) -> None:
    console = subprocess.run(
        [sys.executable, "-c", AT_EXIT, str(tmp_path)],
        cwd=ROOT,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    ).stderr
    ends = re.findall(r"\[INFO\] - \[XXXModel\] - line (\d+)\n", console)
    assert ends == [str(number) for number in range(100)]
    assert console.endswith("ZeroDivisionError: division by zero\n")
    assert (tmp_path / "service.log").read_text() == console
