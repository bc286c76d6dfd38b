"""Runs a GAN under `fit()` from any step to the last: length, learning rate, stopping on signals, recovery."""

import contextlib
import dataclasses
import math
import signal
import sys

from facegan.common.cli import Terminated
from facegan.training import recorder as recording


class OutOfMemoryError(ValueError):
    """There is not enough memory for a training step."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long a run is and when it saves, in steps.

    Attributes:
        total: steps in the whole run.
        epoch: steps in an epoch, which is one row in log.csv.
        save_every: steps between two saved generators.
        by_steps: whether saved files are numbered by steps rather than epochs.
    """

    total: int
    epoch: int
    save_every: int
    by_steps: bool = False

    @property
    def epochs(self):
        return math.ceil(self.total / self.epoch)

    def saves_at(self, step):
        """Whether a generator is saved after this step, which ends an epoch."""
        return step % self.save_every == 0 or step == self.total

    def number(self, step):
        """The number in a file's name: "010" for the tenth epoch, or "001000" where steps are counted."""
        return f"{step:06d}" if self.by_steps else f"{math.ceil(step / self.epoch):03d}"

    def step_of(self, path):
        """The step at which a file with such a number was saved, or the last step of its epoch."""
        return int(path.stem.rsplit("_", 1)[1].removeprefix("e")) * (1 if self.by_steps else self.epoch)


def train(gan, batches, schedule, writer, *, on_collapse="warn", save_minutes=5.0):
    """Train from the newest state in the run folder, or from the beginning, to the schedule's last step.

    Args:
        gan: a compiled `gan.GAN`. batches: a `batches.Batches`. schedule: a `Schedule`.
        writer: a `run_writer.RunWriter` or `SilentWriter`.
        on_collapse: "warn", "stop" (raises `recorder.CollapseError`) or "restore": go back to the last good state and
            continue with a new seed.
        save_minutes: minutes between states that are saved even within an epoch.

    Raises:
        recorder.CollapseError; OutOfMemoryError; files.WriteError; KeyboardInterrupt or Terminated, after the state was
        saved.
    """
    recorder = recording.Recorder(
        gan,
        schedule,
        writer,
        batch_size=batches.batch_size,
        real_count=batches.real_count,
        only_warn=on_collapse == "warn",
        save_minutes=save_minutes,
    )
    seed = batches.seed
    with explained_limits(), _stop_on_signals(recorder), contextlib.ExitStack() as stack:
        stack.callback(writer.close)
        if recorder.step == 0:
            writer.draw_start(gan)
        while recorder.step < schedule.total:
            # A restarted run draws from another stream; restarts of seed 5 must never coincide with seed 6.
            batches.reseed(seed, recorder.progress.restarts)
            try:
                _fit(gan, batches, schedule, recorder)
            except recording.CollapseError as collapsed:
                if on_collapse != "restore":
                    raise
                if reason := recorder.restore(collapsed.finding):
                    print(f"not restored: {reason}", file=sys.stderr)
                    raise


def _fit(gan, batches, schedule, recorder):
    """Call `fit()` once for the rest of an interrupted epoch, then once for all epochs after it."""
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
    """After Ctrl-C or SIGTERM, finish the step and save the state; a second one stops at once."""

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
def explained_limits():
    """Turn any library's error for exhausted memory into OutOfMemoryError."""
    try:
        yield
    except Exception as error:
        words = f"{type(error).__name__} {error}"
        if any(sign in words for sign in ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "MemoryError")):
            raise OutOfMemoryError("the memory is not enough") from error
        raise
