"""Records a training run step by step: tables, pictures, generators and the state from which it can go on."""

import shutil
import sys
import time
from pathlib import Path

import keras
import numpy
from PIL import Image

from facegan import checkpoints, collapse, distribution, files, images, latents, records, runs
from facegan.commands import Terminated

NUMBERS = ("d_loss_real", "d_loss_generated", "g_loss", "d_accuracy_real", "d_accuracy_generated", "variety")
FIGURES = ("frechet_distance", "kernel_distance", "face_share", "spacing", "coverage")
LOG_COLUMNS = ("epoch", "step", "seconds", *NUMBERS, *FIGURES, "collapse")
STEP_COLUMNS = ("step", *NUMBERS)
STEPS_PER_ROW = 10
FIXED_FACES = range(1, 50)
RESTARTS = 3
SECONDS_PER_LINE = 60
GIF_MILLISECONDS = 400
REASONS_TO_STOP = (None, KeyboardInterrupt, Terminated)
# `summed` counts the steps in `sums`; `uneasy` says that the newest state on disk may turn out to be bad.
BEGINNING = {"step": 0, "seconds": 0.0, "restarts": 0, "summed": 0, "watch": None, "uneasy": False, "best": None}


class CollapseError(Exception):
    """Training failed; `finding` says how."""

    def __init__(self, finding):
        super().__init__(finding.sentence)
        self.finding = finding


class Recorder(keras.callbacks.Callback):
    """Does what is due after a step and after an epoch.

    Args:
        gan, batches, schedule, folder, notes, save_minutes: see `training.train`.
        only_warn: whether a collapse is only told, not raised.
        make_judge: a function that makes the `quality.Judge` of saved generators, or None to measure nothing; it is
            called when the first one is saved, since it looks at thousands of real images.

    Set `stop` to an exception class to end the run after the step in progress, its state saved.
    """

    def __init__(self, gan, batches, schedule, folder, notes, only_warn, save_minutes, make_judge=None):
        super().__init__()
        self.gan = gan
        self.batches = batches
        self.schedule = schedule
        self.folder = Path(folder)
        self.notes = notes
        self.only_warn = only_warn
        self.save_seconds = 60.0 * save_minutes
        self.make_judge = make_judge
        self.judge = None
        self.stop = None
        self.tensorboard = None
        self.resume(checkpoints.load_state(self.folder, self.variables()))

    def variables(self):
        """Every variable that a step reads or writes, in a fixed order: networks, random states, optimizers."""
        gan = self.gan
        networks = (gan.generator, gan.discriminator, gan.averaged_generator, gan.optimizer, gan.d_optimizer)
        return [gan.augment_seed.state, *(variable for owner in networks for variable in owner.variables)]

    def resume(self, progress):
        """Take up the run where a saved state left it, or begin it; later rows of the tables are removed."""
        if progress and progress["step"] < self.schedule.total:
            print(f"going on at step {progress['step']:,} of {self.schedule.total:,}", flush=True)
        self.progress = progress or {**BEGINNING, "sums": {}, "collapses": []}
        self.watch = collapse.Watch(self.progress["watch"], self.gan.d_loss_floor)
        if not self.only_warn:
            # What an earlier run was only warned of must be able to stop this one.
            self.watch.state["told"] = []
        self.first_step, self.first_seconds = self.step, self.progress["seconds"]
        self.open_tables()
        self.begun = self.saved = self.spoke = time.monotonic()

    def open_tables(self):
        """Open the tables, cut back to where the run is, and the events."""
        self.log = records.Table(self.folder / "log.csv", LOG_COLUMNS, self.step - self.progress["summed"])
        self.steps = records.Table(self.folder / "steps.csv", STEP_COLUMNS, self.step)
        self.tensorboard = self.tensorboard or records.TensorBoard(self.folder / "tensorboard")

    @property
    def step(self):
        """Steps made so far."""
        return self.progress["step"]

    @property
    def restarts(self):
        """How often the run went back after a collapse."""
        return self.progress["restarts"]

    def seconds(self):
        """Seconds that the run has trained, over all its parts."""
        return self.first_seconds + time.monotonic() - self.begun

    def on_train_batch_end(self, batch, logs=None):
        numbers = {name: float(logs[name]) for name in NUMBERS}
        self.progress["step"] += 1
        self.progress["summed"] += 1
        sums = self.progress["sums"]
        for name, value in numbers.items():
            sums[name] = sums.get(name, 0.0) + value
        if self.step % STEPS_PER_ROW == 0:
            self.log_step(numbers)
        finding = self.watch.see(self.step, numbers)
        if finding:
            self.report(finding)
        if self.step == self.schedule.total:
            self.model.stop_training = True
        elif self.step % self.schedule.epoch:
            self.look_up()

    def on_epoch_end(self, epoch, logs=None):
        numbers = self.means()
        self.say(numbers)
        saves = self.schedule.saves_at(self.step)
        if saves:
            numbers |= self.save_generator()
        self.log_epoch(numbers)
        if self.step % self.schedule.epoch == 0:
            self.progress.update(sums={}, summed=0)
        if saves:
            self.save_state()
        self.look_up()

    def log_step(self, numbers):
        """Write the line of a step."""
        self.steps.add({"step": self.step, **numbers})
        self.tensorboard.scalars(self.step, numbers)

    def log_epoch(self, numbers):
        """Write the line of an epoch, whole or so far."""
        epoch, seconds = -(-self.step // self.schedule.epoch), round(self.seconds(), 1)
        seen = "; ".join(self.progress["collapses"])
        self.log.add({"epoch": epoch, "step": self.step, "seconds": seconds, **numbers, "collapse": seen})
        self.tensorboard.scalars(self.step, {f"epoch/{name}": value for name, value in numbers.items()})

    def look_up(self):
        """Between two steps: save the state when it is time, stop when asked to, say a word in a long epoch."""
        now, stop = time.monotonic(), self.reason_to_stop()
        if stop or now - self.saved > self.save_seconds:
            self.save_state()
        if stop:
            raise stop("the state is saved: run the same command to go on")
        if now - self.spoke > SECONDS_PER_LINE and not sys.stdout.isatty():
            self.say(self.means())

    def reason_to_stop(self):
        """The exception to end with, or None; processes that train one GAN leave together or would wait for ever."""
        if distribution.is_shared() and self.step % STEPS_PER_ROW:
            return None
        return REASONS_TO_STOP[distribution.largest(REASONS_TO_STOP.index(self.stop))]

    def means(self):
        """Means of the numbers over the epoch so far."""
        return {name: value / self.progress["summed"] for name, value in self.progress["sums"].items()}

    def say(self, means):
        """One line: how far, how long yet, what the networks do."""
        rate = (self.step - self.first_step) / max(time.monotonic() - self.begun, 1e-9)
        left = duration((self.schedule.total - self.step) / max(rate, 1e-9))
        numbers = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        print(
            f"step {self.step:,} of {self.schedule.total:,}, {left} left at "
            f"{rate * self.batches.batch_size:.0f} images/s:  {numbers}",
            flush=True,
        )
        self.spoke = time.monotonic()

    def report(self, finding):
        """Tell the user of a failure; raise it unless the run only warns."""
        self.warn(finding)
        self.progress["collapses"].append(finding.kind)
        if not self.only_warn:
            self.log_epoch(self.means())
            raise CollapseError(finding)

    def warn(self, finding):
        """Print what failed, and what was saved before."""
        saved = [path for path in runs.checkpoints(self.folder) if self.schedule.step_of(path) < finding.since]
        good = f"{saved[-1].name} was saved before that" if saved else "no generator was saved before that"
        print(f"\nwarning: {finding.sentence}; {good}", file=sys.stderr, flush=True)

    def restore(self, finding):
        """Go back to the newest state from before a failure; False, its reason printed, when that is not possible."""
        restarts = self.restarts + 1
        if restarts > RESTARTS:
            print(f"not restored: the run went back {RESTARTS} times already", file=sys.stderr)
            return False
        progress = checkpoints.load_state(self.folder, self.variables(), before_step=finding.since - 1)
        if progress is None:
            print("not restored: no state was saved before that; try a smaller --save-minutes", file=sys.stderr)
            return False
        distribution.largest(0)  # no process may still be reading what is now thrown away
        self.discard_after(progress["step"])
        kept = {name: self.progress[name] for name in ("best", "collapses")}
        self.resume({**progress, **kept, "restarts": restarts})
        self.save_state()
        print(f"restarted with a new seed, {restarts} of {RESTARTS} times", flush=True)
        return True

    def discard_after(self, step):
        """Remove the states of later steps."""
        checkpoints.discard_after(self.folder, step)

    def save_state(self):
        """Write the state from which the same command goes on."""
        self.synchronise()
        # A newest state that was saved in doubt is replaced; the good ones behind it stay.
        doubted = self.progress["uneasy"]
        self.progress.update(seconds=self.seconds(), watch=self.watch.state, uneasy=self.watch.uneasy)
        checkpoints.save_state(self.folder, self.variables(), self.progress, rotate=not doubted)
        self.saved = time.monotonic()

    def synchronise(self):
        """Under JAX, `fit()` holds the state itself and brings the variables up to date only when asked."""
        if hasattr(self.gan, "jax_state_sync"):
            self.gan.jax_state_sync()

    def save_generator(self):
        """Write both networks under the number of this epoch and pictures of what G draws; its figures, by name."""
        self.synchronise()
        self.generator = distribution.own_copy(self.gan.averaged_generator)
        number = self.schedule.number(self.step)
        notes = {**self.notes, "step": self.step}
        path = self.folder / f"generator_model_{number}.h5"
        with distribution.alone():
            runs.save_model(self.generator, path, notes)
            runs.save_model(self.gan.discriminator, self.folder / f"discriminator_model_{number}.h5", notes)
            self.draw_pictures(number)
            return self.measure(path) if self.make_judge else {}

    def draw_faces(self, numbers):
        """Pixels of the faces of some numbers, as the generator saved last draws them."""
        chosen = latents.latents_of_faces(numbers, self.batches.latent_dim, self.notes["latents"])
        return runs.draw(self.generator, chosen, self.gan.output_activation)

    def draw_pictures(self, number):
        """The fixed faces, all of them so far as a film, and the curves."""
        pixels = images.shown(self.draw_faces(FIXED_FACES), self.gan.output_activation)
        picture = images.grid(pixels, columns=7, numbers=FIXED_FACES)
        prefix = "generated_plot_" if self.schedule.by_steps else "generated_plot_e"
        with files.whole_file(self.folder / f"{prefix}{number}.png") as file:
            picture.save(file, "PNG")
        self.tensorboard.picture(self.step, "generated", numpy.asarray(picture))
        plots = sorted(self.folder.glob(f"{prefix}*.png"), key=self.schedule.step_of)
        with files.whole_file(self.folder / "progress.gif") as file:
            images.save_gif([Image.open(path) for path in plots], file, GIF_MILLISECONDS)
        records.draw_losses(records.read_table(self.folder / "steps.csv"), self.folder / "losses.png")

    def measure(self, path):
        """Measure the generator saved last, and keep a copy of its file when it is the best so far."""
        if self.judge is None:
            self.judge = self.make_judge()
            print(self.judge.describe(), flush=True)
        figures = self.judge.figures(self.draw_faces(range(1, self.judge.count + 1)))
        distance, best = figures["frechet_distance"], self.progress["best"]
        is_best = best is None or distance < best
        if is_best:
            self.progress["best"] = distance
            with files.whole_path(self.folder / runs.BEST_NAME) as temporary:
                shutil.copyfile(path, temporary)
        remark = "the best so far" if is_best else f"the best is {best:.4f}"
        print(f"{path.name}: Fréchet distance {distance:.4f}, {remark}", flush=True)
        return {name: figures[name] for name in FIGURES}

    def finish(self):
        self.tensorboard.flush()


def duration(seconds):
    """Text such as "2 h 05 min", "12 min" or "40 s"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 90 else f"{minutes} min"
