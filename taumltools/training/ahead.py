"""Work done ahead of time by threads, handed out in the order in which it was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def in_order(tasks: Iterable[Callable[[], Result]], workers: int, ahead: int | None = None) -> Iterator[Result]:
    """Results of tasks, in their order, for any number of threads.

    What the tasks refer to is let go as soon as they are done: with ``workers`` 0 nothing is kept between two results.

    Args:
        tasks: made when they are needed, by the thread that asks for results.
        workers: threads; 0: the calling thread does each task when its result is asked for.
        ahead: tasks that are under way or done beyond the one handed out; by default two for each thread.

    Yields:
        What the tasks return.

    Examples:
        >>> list(in_order((lambda i=i: i * i for i in range(5)), workers=2))
        [0, 1, 4, 9, 16]
    """
    source = iter(tasks)
    if workers == 0:
        while (task := next(source, None)) is not None:
            result = task()
            del task
            yield result
            del result
        return
    limit = 2 * workers if ahead is None else ahead
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
    waiting: deque[Future[Result]] = deque()
    try:
        for task in source:
            waiting.append(pool.submit(task))
            del task
            if len(waiting) > limit:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
