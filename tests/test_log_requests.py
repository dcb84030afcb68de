"""The lines of the requests, and their times."""

import logging
import time

import pytest

from model_serving.log import LineFormatter, RequestLog, request_line

DATE = "%Y/%m/%d %H:%M:%S"


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def log(kept: Kept) -> logging.Logger:
    log = logging.Logger("XXXModel", logging.INFO)
    log.addHandler(kept)
    return log


def test_request_line_says_what_was_asked_and_answered() -> None:
    line = request_line("POST", "/v1/XXXModel", 200, 0.01234, "203.0.113.7", "abc")
    assert line == "POST /v1/XXXModel 200 in 12.3 ms for 203.0.113.7 (request abc)"


def test_request_log_writes_what_a_logger_would(log: logging.Logger, kept: Kept) -> None:
    RequestLog(log).write("100 % of %s")
    log.info("%s", "100 % of %s")
    ours, theirs = kept.records
    form = logging.Formatter("[%(levelname)s] - [%(name)s] - %(message)s")
    assert form.format(ours) == form.format(theirs) == "[INFO] - [XXXModel] - 100 % of %s"
    assert (ours.process, ours.threadName) == (theirs.process, theirs.threadName)


def test_request_log_gives_each_line_its_own_time(log: logging.Logger, kept: Kept) -> None:
    requests = RequestLog(log)
    times_s = [time.time()]
    for number in range(3):
        requests.write(str(number))
        times_s.append(time.time())
    assert [record.getMessage() for record in kept.records] == ["0", "1", "2"]
    for record, before_s, after_s in zip(kept.records, times_s[:-1], times_s[1:], strict=True):
        assert before_s <= record.created <= after_s
        assert record.msecs == pytest.approx(record.created % 1 * 1000, abs=1)


@pytest.mark.parametrize(
    ("level", "disabled", "lines"),
    [(logging.DEBUG, 0, 1), (logging.INFO, 0, 1), (logging.WARNING, 0, 0), (0, logging.INFO, 0)],
)
def test_request_log_keeps_to_the_level(
    log: logging.Logger, kept: Kept, level: int, disabled: int, lines: int
) -> None:
    log.setLevel(level or logging.INFO)
    log.manager = logging.Manager(logging.RootLogger(logging.INFO))
    log.manager.disable = disabled
    RequestLog(log).write("text")
    assert len(kept.records) == lines


def test_request_log_keeps_to_the_filters(log: logging.Logger, kept: Kept) -> None:
    log.addFilter(lambda record: "secret" not in record.getMessage())
    requests = RequestLog(log)
    requests.write("secret")
    requests.write("open")
    assert [record.getMessage() for record in kept.records] == ["open"]


@pytest.mark.parametrize(
    "times_s",
    [
        [0.0, 0.5, 0.999, 1.0],
        [5.0, 4.0, 5.0],
        [1_700_000_000.1] * 3,
        [1_711_846_799.9, 1_711_846_800],
    ],
    ids=["seconds", "backwards", "same", "summer time"],
)
def test_line_formatter_writes_the_time_as_its_base_class_does(times_s: list[float]) -> None:
    ours, theirs = LineFormatter("%(asctime)s", DATE), logging.Formatter("%(asctime)s", DATE)
    for at_s in times_s:
        record = logging.makeLogRecord({"created": at_s, "msg": "text"})
        assert ours.format(record) == theirs.format(record)


def test_line_formatter_writes_tracebacks() -> None:
    try:
        raise KeyError("why")
    except KeyError as error:
        raised = (KeyError, error, error.__traceback__)
    record = logging.makeLogRecord({"msg": "it failed", "exc_info": raised})
    lines = LineFormatter("%(asctime)s %(message)s", DATE).format(record).splitlines()
    assert lines[0].endswith(" it failed")
    assert lines[-1] == "KeyError: 'why'"
