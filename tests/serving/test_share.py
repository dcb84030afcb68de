"""How long a replica rests between batches of the background."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from model_serving.serving import share as share_module
from model_serving.serving.share import RECENT_S, Calls, Share


class Account:
    """What the kernel writes of a process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ran = self._waited = 1_000_000
        self.go_on()

    def go_on(self, ran: int = 0, waited: int = 0) -> None:
        self._ran, self._waited = self._ran + ran, self._waited + waited
        self.path.write_text(f"{self._ran} {self._waited} 7\n")


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass."""
    monkeypatch.setattr(share_module, "time", SimpleNamespace(monotonic=lambda: 1000.0))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "schedstat")


@pytest.fixture
def calls() -> Calls:
    """Return calls of which one was answered just now."""
    calls = Calls()
    calls.note()
    return calls


def test_background_rests_longer_and_longer_while_it_waits_for_a_processor(
    account: Account, calls: Calls
) -> None:
    share, rests = Share(calls, account.path), []
    for _ in range(10):
        account.go_on(ran=1_000, waited=500)
        share.observe(0.01)
        rests.append(share.left_s)
    assert rests[0] == pytest.approx(0.01, rel=0.01)
    assert sorted(rests[:5]) == rests[:5]
    assert max(rests) < 0.2  # A twentieth of the time is left.


def test_background_rests_less_and_less_once_it_need_not_wait(
    account: Account, calls: Calls
) -> None:
    share = Share(calls, account.path)
    account.go_on(ran=1_000, waited=500)
    share.observe(0.01)
    for _ in range(10):
        account.go_on(ran=1_000, waited=50)
        share.observe(0.01)
    assert share.left_s == 0


def test_background_rests_only_while_there_are_calls(account: Account) -> None:
    share = Share(Calls(), account.path)
    account.go_on(ran=1_000, waited=500)
    share.observe(60.0)
    assert share.left_s == 0


def test_long_rest_is_looked_at_again(account: Account, calls: Calls) -> None:
    share = Share(calls, account.path)
    account.go_on(ran=1_000, waited=500)
    share.observe(60.0)
    assert share.left_s == RECENT_S


def test_kernel_without_the_account_has_it_rest_beside_calls(tmp_path: Path, calls: Calls) -> None:
    share = Share(calls, tmp_path / "missing")
    share.observe(0.1)
    assert share.left_s > 0


def test_account_of_this_kernel_can_be_read(calls: Calls) -> None:
    ran_s, waited_s = Share(calls)._read()
    assert ran_s > 0
    assert waited_s >= 0


def test_replicas_share_their_calls(tmp_path: Path) -> None:
    mine, others = Calls(tmp_path / "calls"), Calls(tmp_path / "calls")
    assert not mine.are_recent
    others.note()
    assert mine.are_recent


def test_background_is_due_after_it_was_skipped_for_many_times_its_batch(
    account: Account, calls: Calls
) -> None:
    share = Share(calls, account.path)
    assert not share.is_due
    share.observe(0.01)
    share.skip(0.15)
    assert not share.is_due
    share.skip(0.15)
    assert share.is_due
    share.observe(0.01)
    assert not share.is_due
