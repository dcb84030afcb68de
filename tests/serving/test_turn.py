import threading

from model_serving.serving.turn import Turn
from model_serving.serving.wire import Priority
from tests.services.processes import wait_until


def test_turn_goes_to_the_foreground_first_then_by_priority() -> None:
    turn, order = Turn(), []

    def have(priority: Priority) -> None:
        assert turn.take(60, priority)
        order.append(priority)
        turn.give()

    assert turn.take(60)
    threads = [threading.Thread(target=have, args=(priority,)) for priority in reversed(Priority)]
    for thread in threads:
        thread.start()
    wait_until(lambda: turn._waiting == [1, 1, 1], "all wait")
    turn.give()
    for thread in threads:
        thread.join()
    assert order == list(Priority)


def test_turn_that_is_not_had_in_time_is_waited_for_no_more() -> None:
    turn = Turn()
    assert turn.take(None)
    assert not turn.take(0.01)
    assert turn._waiting == [0, 0, 0]
