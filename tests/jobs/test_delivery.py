"""What is due is sent once, by whichever node, and what came of it is written down."""

import threading

import pytest
import sqlalchemy as sa

from model_serving.jobs.callback import Sender
from model_serving.jobs.database import create_engine
from model_serving.jobs.delivery import Delivery
from model_serving.jobs.record import Record
from model_serving.jobs.tables import callbacks
from tests.jobs.conftest import OpenRecord
from tests.jobs.receiver import receiver, status
from tests.jobs.work import accepted
from tests.services.processes import wait_until

LOCAL = Sender(b"a secret", allow_private=True, timeout_s=300.0)


def end_a_job(record: Record, url: str) -> str:
    """End a job whose caller is to be told."""
    job = accepted(record, callback_url=url)
    record.cancel(job.id)
    return job.id


def noted(url: str) -> list[tuple[str, int, str | None]]:
    """Return the state of each callback, the attempts, and why the last one failed."""
    wanted = sa.select(callbacks.c.state, callbacks.c.attempts, callbacks.c.last_error)
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(wanted.order_by(callbacks.c.job_id)).all()
    engine.dispose()
    return [(row.state, row.attempts, row.last_error) for row in rows]


def test_each_job_is_told_once_by_several_nodes(open_: OpenRecord, url: str) -> None:
    nodes = [Delivery(open_(), LOCAL) for _ in range(3)]
    with receiver(status(204)) as server:
        record = open_()
        jobs = {end_a_job(record, f"http://127.0.0.1:{server.port}/") for _ in range(40)}
        threads = [threading.Thread(target=node.begin) for node in nodes]
        for thread in threads:
            thread.start()
        wait_until(lambda: noted(url) == [("delivered", 1, None)] * 40, "all are told")
        for thread in threads:
            thread.join()
        for node in nodes:  # Senders look for more before they end.
            node.finish(60.0)
    told = [call.body.partition(b'"id":"')[2][:32].decode() for call in server.calls]
    assert (len(told), set(told)) == (40, jobs)


def test_slow_receiver_holds_up_no_other_and_no_end(record: Record, url: str) -> None:
    end = threading.Event()
    delivery = Delivery(record, LOCAL)
    with receiver(lambda _: (end.wait(), None)[1]) as slow, receiver(status(204)) as quick:
        for server in (slow, quick):
            end_a_job(record, f"http://127.0.0.1:{server.port}/")
        delivery.begin()
        try:
            wait_until(lambda: ("delivered", 1, None) in noted(url), "the quick one is told")
            assert ("waiting", 1, None) in noted(url)
            senders = delivery._threads
            wait_until(
                lambda: sum(each.is_alive() for each in senders) == 1, "its sender has ended"
            )
            delivery.finish(0.0)
            end_a_job(record, f"http://127.0.0.1:{quick.port}/")
            delivery.begin()
        finally:
            end.set()
        delivery.finish(60.0)
    assert (len(quick.calls), len(slow.calls)) == (1, 1)


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        (Sender(b"a secret"), "the host has no public address"),
        (Sender(b"", allow_private=True), "there is no callback_secret to sign with"),
    ],
    ids=["name-of-this-machine", "no-secret"],
)
def test_call_that_must_not_be_made_is_not(
    record: Record, url: str, sender: Sender, why: str
) -> None:
    with receiver(status(204)) as server:
        end_a_job(record, f"http://localhost:{server.port}/")
        delivery = Delivery(record, sender)
        delivery.begin()
        delivery.finish(60.0)
    assert (server.connections, noted(url)) == (0, [("waiting", 1, why)])
