"""Decides what is due after each step and epoch of a run: logging, saving, warning, stopping. A writer writes it."""

import dataclasses
import sys
import time

from facegan.common.cli import NotFiniteError, Terminated
from facegan.training import collapse, devices
from facegan.training.logs import NUMBERS, duration

import keras
import numpy as np

STEPS_BETWEEN_AGREEMENTS = 10  # steps after which several processes agree whether to stop or save
MOST_RESTARTS = 3
SECONDS_PER_LINE = 60
FIGURES_VERSION = 2  # changes with what `metrics.quality` compares: figures of two versions cannot be compared
REASONS_TO_STOP = (None, KeyboardInterrupt, Terminated)


class CollapseError(Exception):
    """Training failed; `finding` is the `collapse.Finding`."""

    def __init__(self, finding):
        super().__init__(finding.sentence)
        self.finding = finding


@dataclasses.dataclass
class Progress:
    """How far a run has got, and what else it must remember besides its variables. It is saved with every state.

    Attributes:
        step: steps made. seconds: of training, over all parts of the run.
        restarts: how often the run went back after a failure.
        sums, summed: sums of the logged values over the epoch so far, and the number of steps in them.
        collapses: the kinds of failure seen. watch: the state of the collapse watch.
        suspect: whether the newest state on disk may turn out to be bad.
        best: `quality.Figures.times_real` of the best generator so far, None before the first measurement.
        figures: the `FIGURES_VERSION` that it was measured by.
    """

    step: int = 0
    seconds: float = 0.0
    restarts: int = 0
    sums: dict = dataclasses.field(default_factory=dict)
    summed: int = 0
    collapses: list = dataclasses.field(default_factory=list)
    watch: collapse.WatchState = dataclasses.field(default_factory=collapse.WatchState)
    suspect: bool = False
    best: float | None = None
    figures: int = FIGURES_VERSION

    @classmethod
    def from_record(cls, record):
        """Rebuild a `Progress` from what `dataclasses.asdict` gave; KeyError or TypeError if it is not that."""
        for name in ("seconds", "sums", "summed"):  # without these, a resumed run would differ
            record[name]
        if record.get("figures") != FIGURES_VERSION:  # the best of then cannot be compared with what comes
            record = {**record, "best": None, "figures": FIGURES_VERSION}
        return cls(**{**record, "watch": collapse.WatchState(**record["watch"])})

    def add(self, numbers):
        """Count a step and add its values to the sums."""
        self.step += 1
        self.summed += 1
        for name, value in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self):
        """The means of the logged values over the epoch so far."""
        return {name: value / self.summed for name, value in self.sums.items()}


class Recorder(keras.callbacks.Callback):
    """Decides what is due after a step and after an epoch of `fit()`.

    Args:
        gan: a compiled `gan.GAN`. schedule: a `loop.Schedule`. batch_size: images per step, for the printed rate.
        real_count: real images that D sees per step; thousands of them, kimg, are the usual length of a GAN's training.
        writer: a `run_writer.RunWriter`, or a `SilentWriter` in processes that write nothing.
        only_warn: whether a failure is only reported, not raised.
        save_minutes: minutes between states that are saved even within an epoch.

    Set `stop` to an exception class to end the run after the step in progress, its state saved.
    """

    def __init__(self, gan, schedule, writer, *, batch_size, real_count, only_warn, save_minutes):
        super().__init__()
        self.gan = gan
        self.schedule = schedule
        self.writer = writer
        self.batch_size = batch_size
        self.real_count = real_count
        self.only_warn = only_warn
        self.save_seconds = 60.0 * save_minutes
        self.stop = None
        self.resume(writer.load_state(self.variables(), Progress.from_record))

    def variables(self):
        """Every variable that a step reads or writes, in a fixed order: networks, random states, optimizers."""
        gan = self.gan
        owners = (gan.generator, gan.discriminator, gan.averaged_generator, gan.optimizer, gan.d_optimizer)
        return [gan.augment_seed.state, *(variable for owner in owners for variable in owner.variables)]

    def resume(self, progress):
        """Continue from a saved `Progress`, or start the run if it is None; later rows of the tables are removed."""
        self.progress = progress or Progress()
        if progress and self.step < self.schedule.total:
            print(f"resuming at step {self.step:,} of {self.schedule.total:,}", flush=True)
        self.watch = collapse.Watch(self.progress.watch, self.gan.objective.floor)
        if not self.only_warn:
            # A failure that an earlier part of the run only warned of must be able to stop this one.
            self.watch.state.reported = []
        self.first_step, self.first_seconds = self.step, self.progress.seconds
        self.writer.open_tables(self.step, self.step - self.progress.summed)
        self.begun = self.saved_at = self.printed_at = time.monotonic()

    @property
    def step(self):
        """Steps made so far."""
        return self.progress.step

    def seconds(self):
        """Seconds of training, over all parts of the run."""
        return self.first_seconds + time.monotonic() - self.begun

    def on_train_batch_end(self, batch, logs=None):
        numbers = {name: float(logs[name]) for name in NUMBERS}
        self.progress.add(numbers)
        self.writer.log_step(self.step, numbers)
        finding = self.watch.observe(self.step, numbers)
        if finding:
            self.report(finding)
        if self.step == self.schedule.total:
            self.model.stop_training = True
        elif self.step % self.schedule.epoch:
            self.between_steps()

    def on_epoch_end(self, epoch, logs=None):
        numbers = self.progress.means()
        self.print_progress()
        saves = self.schedule.saves_at(self.step)
        if saves:
            self.synchronise()
            numbers |= self.save_generator()
        self.log_epoch(numbers)
        if self.step % self.schedule.epoch == 0:
            self.progress.sums, self.progress.summed = {}, 0
        if saves:
            self.save_state()
        self.between_steps()

    def between_steps(self):
        """Save the state when it is time, stop when asked to, and print progress during a long epoch."""
        now = time.monotonic()
        stop, due = self.agreed(REASONS_TO_STOP.index(self.stop), now - self.saved_at > self.save_seconds)
        if stop or due:
            self.save_state()
        if stop:
            devices.leave()
            raise REASONS_TO_STOP[stop]("the state is saved: run the same command to resume")
        if self.progress.summed and now - self.printed_at > SECONDS_PER_LINE and not sys.stdout.isatty():
            self.print_progress()

    def agreed(self, *numbers):
        """The largest of each number among the processes, 0 between the steps at which they agree.

        Processes that train one GAN must stop and save together, or some wait forever.
        """
        if devices.is_shared() and self.step % STEPS_BETWEEN_AGREEMENTS:
            return (0,) * len(numbers)
        return devices.largest(*numbers)

    def log_epoch(self, numbers):
        """Write the row of an epoch, complete or so far."""
        row = {"epoch": -(-self.step // self.schedule.epoch), "step": self.step}
        row |= {"kimg": self.step * self.real_count / 1000, "seconds": round(self.seconds(), 1)}
        self.writer.log_epoch({**row, **numbers, "collapse": "; ".join(self.progress.collapses)})

    def print_progress(self):
        """Print one line: steps, time left, rate, mean values of the epoch so far."""
        rate = (self.step - self.first_step) / max(time.monotonic() - self.begun, 1e-9)
        left = duration((self.schedule.total - self.step) / max(rate, 1e-9))
        numbers = "  ".join(f"{name} {value:.3f}" for name, value in self.progress.means().items())
        steps = f"step {self.step:,} of {self.schedule.total:,}"
        print(f"{steps}, {left} left at {rate * self.batch_size:.0f} images/s:  {numbers}", flush=True)
        self.printed_at = time.monotonic()

    def report(self, finding):
        """Warn of a failure; raise it unless the run only warns. Nothing can be learned after NaN."""
        goes_on = self.only_warn and finding.kind != collapse.NOT_FINITE
        self.writer.warn(finding, goes_on)
        self.progress.collapses.append(finding.kind)
        if not goes_on:
            self.log_epoch(self.progress.means())
            raise CollapseError(finding)

    def restore(self, finding):
        """Go back to the newest state from before a failure.

        Returns:
            None, or the reason if that is not possible.
        """
        restarts = self.progress.restarts + 1
        if restarts > MOST_RESTARTS:
            return f"the run went back {MOST_RESTARTS} times already"
        progress = self.writer.load_state(self.variables(), Progress.from_record, before_step=finding.since - 1)
        # This also waits for all processes: none may still be reading what is removed below.
        devices.check_same({"the state to restore": progress and progress.step})
        if progress is None:
            return "no state was saved before the failure"
        self.writer.discard_after(progress.step)
        kept = {"best": self.progress.best, "collapses": self.progress.collapses}
        self.resume(dataclasses.replace(progress, **kept, restarts=restarts))
        self.save_state()
        print(f"restarted with a new seed, {restarts} of {MOST_RESTARTS} times", flush=True)
        return None

    def save_state(self):
        """Write the state from which the same command resumes."""
        self.synchronise()
        self.check_weights()
        # If the newest state was saved while suspect, it is replaced; the good ones before it stay.
        replace = self.progress.suspect
        self.progress.seconds, self.progress.suspect = self.seconds(), self.watch.suspect
        self.writer.save_state(self.variables(), dataclasses.asdict(self.progress), rotate=not replace)
        self.saved_at = time.monotonic()

    def save_generator(self):
        """Save the networks, draw faces, and return D's accuracies and G's metrics by name."""
        self.check_weights()
        figures, broken = {}, False
        try:
            self.progress.best, figures = self.writer.save_networks(self.gan, self.step, self.progress.best)
        except NotFiniteError:
            broken = True
        if any(devices.largest(broken)):  # only the first process has drawn
            self.report_not_finite("the generator's images")
        return figures

    def check_weights(self):
        """Report weights that are not finite numbers, before they are saved: no loss has shown it yet."""
        networks = (self.gan.generator, self.gan.discriminator, self.gan.averaged_generator)
        if not all(np.isfinite(weight).all() for network in networks for weight in network.get_weights()):
            self.report_not_finite("the weights")

    def report_not_finite(self, what):
        """Report and raise that something is not finite after the last step."""
        sentence = f"since step {self.step}: {what} are no longer finite numbers"
        self.report(collapse.Finding(collapse.NOT_FINITE, self.step, sentence))

    def synchronise(self):
        """Under JAX, `fit()` holds the state itself and updates the variables only when asked."""
        if hasattr(self.gan, "jax_state_sync"):
            self.gan.jax_state_sync()
