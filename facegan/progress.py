"""How far long work over photos is: a bar at a terminal, else a line every ten seconds."""

import sys
import time

LINE_EVERY = 10.0


class Progress:
    """Shows photos done, their rate, faces kept and the time left, on standard error.

    Args:
        total: photos in all. done: photos that were done before; they don't count for the rate.
    """

    def __init__(self, total, done=0):
        self._total, self._first, self._start = total, done, time.monotonic()
        self._last_line = self._start
        self._bar = _bar(total, done) if sys.stderr.isatty() else None

    def update(self, done, kept):
        """Show that `done` of the photos are through and `kept` rows are written."""
        now = time.monotonic()
        rate = (done - self._first) / max(now - self._start, 1e-9)
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, rate=f"{rate:,.0f}", kept=f"{kept:,}")
        elif now - self._last_line >= LINE_EVERY:
            self._last_line = now
            left = _clock((self._total - done) / rate) if rate else "?"
            print(
                f"{done:,} of {self._total:,} photos, {rate:,.0f} photos/s, {kept:,} kept, {left} left",
                file=sys.stderr,
                flush=True,
            )

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


def _clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
