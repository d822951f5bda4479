import threading
import time
import weakref

import pytest

from taumltools.training.ahead import in_order


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_keep_the_order_of_the_tasks(workers):
    def task(i):
        time.sleep(0.002 * (i % 3))
        return i

    assert list(in_order((lambda i=i: task(i) for i in range(20)), workers)) == list(range(20))


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_arrive_at_their_place(workers):
    results = in_order([lambda: 1, lambda: 1 // 0, lambda: 2], workers)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_more_is_done_ahead_than_asked_for():
    made = []
    results = in_order((lambda: None for i in range(100) if made.append(i) is None), workers=2, ahead=3)
    next(results)
    assert len(made) == 4
    results.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("loader")]


def test_nothing_is_kept_between_results():
    class Thing:
        pass

    alive = []

    def tasks():
        for _ in range(3):
            thing = Thing()
            alive.append(weakref.ref(thing))
            yield lambda thing=thing: None
            del thing
            assert alive[-1]() is None

    assert list(in_order(tasks(), workers=0)) == [None] * 3
