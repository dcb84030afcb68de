"""What came of a job, as it is read."""

import pytest

from model_serving.errors import NoJob, RecordFailed
from model_serving.jobs.record import Record
from tests.jobs.conftest import OpenRecord
from tests.jobs.work import accepted, claimed


def test_outputs_come_in_order_up_to_what_is_missing(record: Record) -> None:
    job_id = accepted(record, chunks=4).id
    claims = [claimed(record, job_id) for _ in range(4)]
    for number in (3, 1, 0):
        record.claims.complete(claims[number], b"%d\n" % number)
    assert list(record.results.outputs(job_id)) == [b"0\n", b"1\n"]
    record.claims.complete(claims[2], b"2\n")
    assert b"".join(record.results.outputs(job_id)) == b"0\n1\n2\n3\n"
    with pytest.raises(NoJob):
        list(record.results.outputs("0" * 32))


def test_reader_hears_that_the_job_was_removed(open_: OpenRecord) -> None:
    record = open_(max_age_s=0.0)
    job_id = accepted(record, chunks=2).id
    for _ in range(2):
        record.claims.complete(claimed(record, job_id), b"{}\n{}\n")
    outputs = record.results.outputs(job_id)
    next(outputs)
    record.upkeep.remove_old()
    with pytest.raises(RecordFailed, match="removed"):
        next(outputs)
