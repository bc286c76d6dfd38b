"""Decoding photos in threads while others are searched for faces, in order and in bounded memory; and its progress."""

import collections
import concurrent.futures
import contextlib
import ctypes
import datetime
import os
import sys
import threading
import time

FIRST_BATCH, BATCH_PHOTOS = 96, 768  # photos finished and written to the disk together: few at first, then many
BATCH_BYTES = 80 << 20
M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 4 << 20  # mallopt(3)
AHEAD_PHOTOS = 512
AHEAD_BYTES = 48 << 20
LINE_EVERY = 10.0  # seconds between lines of progress where there is no terminal


class Gate:
    """Makes threads wait before they decode another photo while those not yet collected hold too many bytes.

    The photo to be collected next is never held up, so that no deadlock arises.
    """

    def __init__(self, most_bytes):
        self._most = most_bytes
        self._held = 0
        self._next = 0
        self._changed = threading.Condition()
        self._closed = False

    def enter(self, number):
        """Wait until photo `number` may be decoded; returns False if the gate was closed instead."""
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
    """Make the C library return the memory of large photos to the system when it is freed.

    glibc by itself stops doing so once large blocks have been freed, and several threads then hold the memory of
    several photos each. Other C libraries lack the setting and do not need it.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def batches(names, read, threads=None):
    """Read photos in threads, in the order of their names.

    Args:
        names: names of photos. read: a function of a name that returns a `preparer.Photo`.
        threads: how many; None takes one a processor, from 2 to 16.

    Yields:
        Lists of photos, at most `BATCH_PHOTOS` long: shorter at first, so that work starts soon, and for large photos.
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


class Progress:
    """Shows photos done, their rate, rows written and the time left, on standard error; a context manager.

    Args:
        total: photos in all. done: photos done earlier, which do not count towards the rate.
        most_kept: the number of rows at which the work ends; 0 for no such limit.
    """

    def __init__(self, total, done=0, most_kept=0):
        self._total, self._first, self._start = total, done, time.monotonic()
        self._most_kept = most_kept
        self._last_line = self._start
        self._bar = _bar(total, done) if sys.stderr.isatty() else None

    def update(self, done, kept):
        """Show that `done` photos are finished and `kept` rows written."""
        now = time.monotonic()
        rate = (done - self._first) / max(now - self._start, 1e-9)
        total = min(self._total, round(done / kept * self._most_kept)) if self._most_kept and kept else self._total
        if self._bar:
            task, numbers = self._bar.task_ids[0], {"rate": f"{rate:,.0f}", "kept": f"{kept:,}"}
            self._bar.update(task, completed=done, total=total, **numbers)
        elif now - self._last_line >= LINE_EVERY:
            self._last_line = now
            left = datetime.timedelta(seconds=round((total - done) / rate)) if rate else "?"
            about = "about " if total < self._total else ""
            line = f"{done:,} of {about}{total:,} photos, {rate:,.0f} photos/s, {kept:,} kept, {left} left"
            print(line, file=sys.stderr, flush=True)

    def __enter__(self):
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception):
        if self._bar:
            self._bar.stop()


def _bar(total, done):
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("photos, {task.fields[rate]} photos/s, {task.fields[kept]} kept,"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("left"),
        console=Console(stderr=True),
    )
    bar.add_task("photos", total=total, completed=done, rate="…", kept="0")
    return bar
