"""Runs a GAN under `fit()` from any step to the last: how long, stopping on signals, going back after a collapse."""

import contextlib
import dataclasses
import errno
import math
import signal
import sys

from facegan import distribution, follower
from facegan import recorder as recording
from facegan.commands import Terminated, UserError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long a run is and when it saves, in steps.

    Attributes:
        total: steps of the whole run.
        epoch: steps of an epoch: of one line in log.csv.
        every: steps between two saved generators.
        by_steps: whether saved files are numbered by steps rather than epochs.
    """

    total: int
    epoch: int
    every: int
    by_steps: bool = False

    @property
    def epochs(self):
        return math.ceil(self.total / self.epoch)

    def saves_at(self, step):
        return step % self.every == 0 or step == self.total

    def number(self, step):
        """What stands in a file's name: "010" for the tenth epoch, or "001000" where steps are counted."""
        return f"{step:06d}" if self.by_steps else f"{math.ceil(step / self.epoch):03d}"

    def step_of(self, path):
        """The step at which a file with such a number was saved, or the end of its epoch."""
        return int(path.stem.rsplit("_", 1)[1].removeprefix("e")) * (1 if self.by_steps else self.epoch)


def train(gan, batches, schedule, folder, notes, on_collapse="warn", save_minutes=5.0, make_judge=None):
    """Train from the newest state in the run folder, or from the beginning, to the schedule's last step.

    Args:
        gan: a compiled `gan.GAN`. batches: a `data.Batches`. schedule: a `Schedule`.
        folder: the run folder, which exists. notes: what to put into every saved generator.
        on_collapse: "warn", "stop" (raises `recorder.CollapseError`) or "restore": back to the last good state and on
            with a new seed.
        save_minutes: minutes between states that are saved even within an epoch.
        make_judge: see `recorder.Recorder`.

    Raises:
        recorder.CollapseError; UserError when memory runs out; KeyboardInterrupt or Terminated once the state is saved.
    """
    record = recording.Recorder if distribution.is_first() else follower.Follower
    recorder = record(gan, batches, schedule, folder, notes, on_collapse == "warn", save_minutes, make_judge)
    seed = batches.seed
    with _stop_on_signals(recorder), explained_limits(batches.batch_size, folder):
        while recorder.step < schedule.total:
            # A restarted run draws from another seed; restarts of seed 5 must never meet seed 6.
            batches.reseed(seed, recorder.restarts)
            try:
                _fit(gan, batches, schedule, recorder)
            except recording.CollapseError as collapsed:
                if on_collapse != "restore" or not recorder.restore(collapsed.finding):
                    raise
    recorder.finish()


def _fit(gan, batches, schedule, recorder):
    """One call of `fit()` for the rest of a begun epoch, then one for all whole epochs after it."""
    epoch, begun = divmod(recorder.step, schedule.epoch)
    options = {"callbacks": [recorder], "verbose": 1 if sys.stdout.isatty() else 0, "shuffle": False}
    if begun:
        left = schedule.epoch - begun
        stream = batches.from_step(recorder.step)
        gan.fit(stream, initial_epoch=epoch, epochs=epoch + 1, steps_per_epoch=left, **options)
        epoch += 1
    if recorder.step < schedule.total:
        stream = batches.from_step(recorder.step)
        gan.fit(stream, initial_epoch=epoch, epochs=schedule.epochs, steps_per_epoch=schedule.epoch, **options)


@contextlib.contextmanager
def _stop_on_signals(recorder):
    """Ctrl-C and SIGTERM let the step end and the state be saved; a second one stops at once."""

    def ask(kind):
        def handler(signum, frame):
            if recorder.stop:
                raise kind
            recorder.stop = kind

        return handler

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, ask(KeyboardInterrupt)),
        signal.SIGTERM: signal.signal(signal.SIGTERM, ask(Terminated)),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def explained_limits(batch_size, folder):
    """Turn memory or a disk that runs out, in the words of any library, into one line of advice."""
    try:
        yield
    except Exception as error:
        words = f"{type(error).__name__} {error}"
        if any(sign in words for sign in ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "MemoryError")):
            remedy = f"try --batch-size {batch_size // 4 * 2}" if batch_size >= 4 else "try smaller images"
            raise UserError(f"--batch-size {batch_size}: the memory is not enough; {remedy}") from error
        if getattr(error, "errno", None) in DISK_FULL or "No space left on device" in words:
            raise UserError(f"--out {folder}: the disk is full; make room and run the same command to go on") from error
        raise
