"""Photos decoded in threads beside the detection, in order and in bounded memory. Standard library only."""

import collections
import concurrent.futures
import contextlib
import ctypes
import os
import threading

FIRST_BATCH, BATCH_PHOTOS = 96, 768  # finished together, and together written to the disk: soon at first, then many
BATCH_BYTES = 80 << 20
M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 4 << 20  # mallopt(3)
AHEAD_PHOTOS = 512
AHEAD_BYTES = 48 << 20


class Gate:
    """Lets threads decode ahead until what waits to be collected holds too many bytes.

    The photo that is collected next always passes, so that nothing ever waits for ever.
    """

    def __init__(self, most_bytes):
        self._most = most_bytes
        self._held = 0
        self._next = 0
        self._changed = threading.Condition()
        self._closed = False

    def enter(self, number):
        """Wait until photo `number` may be decoded; returns False when the work was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or number == self._next or self._held < self._most)
            return not self._closed

    def decoded(self, size):
        with self._changed:
            self._held += size

    def collected(self, number, size):
        with self._changed:
            self._held -= size
            self._next = number + 1
            self._changed.notify_all()

    def close(self):
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def return_large_memory():
    """Have the C library return memory of large photos when it is freed.

    glibc stops doing so by itself once it has seen large blocks freed, and several threads then hold several photos'
    memory each. Other libraries have no such setting and need none.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def batches(names, read, threads=None):
    """Read photos in threads, in the order of their names.

    Args:
        names: names of photos. read: a function of a name that returns a `preparation.Photo`.
        threads: how many; None takes one a processor, from 2 to 16.

    Yields:
        Lists of photos: at most `BATCH_PHOTOS`, fewer at the start, so that work begins, and where they are large.
    """
    gate = Gate(AHEAD_BYTES)
    with contextlib.ExitStack() as stack:
        pool = concurrent.futures.ThreadPoolExecutor(threads or min(16, max(2, os.cpu_count() or 1)), "read")
        stack.callback(pool.shutdown, cancel_futures=True)
        stack.callback(gate.close)
        batch, held, most = [], 0, FIRST_BATCH
        for photo in _in_order(names, read, pool, gate):
            batch.append(photo)
            held += _size(photo)
            if len(batch) == most or held >= BATCH_BYTES:
                yield batch
                batch, held, most = [], 0, min(2 * most, BATCH_PHOTOS)
        if batch:
            yield batch


def _in_order(names, read, pool, gate):
    def task(number, name):
        if not gate.enter(number):
            return None
        photo = read(name)
        gate.decoded(_size(photo))
        return photo

    waiting = collections.deque()
    for number, name in enumerate(names):
        waiting.append(pool.submit(task, number, name))
        if len(waiting) > AHEAD_PHOTOS:
            yield _collect(waiting, number - len(waiting) + 1, gate)
    while waiting:
        yield _collect(waiting, len(names) - len(waiting), gate)


def _collect(waiting, number, gate):
    photo = waiting.popleft().result()
    gate.collected(number, _size(photo))
    return photo


def _size(photo):
    return 0 if photo.pixels is None else photo.pixels.nbytes
