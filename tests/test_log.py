import logging
import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_serving.config import Config
from model_serving.log import configure_logging

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
    configure_logging(Config(log_dir=str(folder), log_console=False), conf_file)
    for number in range(1000):
        logging.getLogger(name).info("line %d", number)


def test_log_file_rotates_without_losing_a_line_of_several_processes(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "conf" / "logging.conf"
    conf_file = tmp_path / "logging.conf"
    conf_file.write_text(shipped.read_text().replace("10_000_000, 5", "20_000, 50"))
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_lines, args=(tmp_path, conf_file, f"writer{number}"))
        for number in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    logs = list(tmp_path.glob("service.log*"))
    lines = [line for log in logs for line in log.read_text().splitlines()]
    assert len(logs) > 5
    assert len(lines) == len({line.split(" - ", 2)[2] for line in lines}) == 4000
