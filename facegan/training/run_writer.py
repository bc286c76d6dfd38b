"""Writes a run folder: tables, generators, pictures, states. `SilentWriter` is for processes that write nothing."""

import math
import shutil
import sys
from pathlib import Path

from facegan.common import files, generators, images, latents
from facegan.training import checkpoints, devices, logs

import numpy as np
from PIL import Image

FIXED_FACES = range(1, 50)
GIF_MILLISECONDS = 400
STEP_COLUMNS = ("step", *logs.NUMBERS)


class RunWriter:
    """Writes what a run leaves in its folder.

    Args:
        folder: the run folder, which exists. schedule: a `loop.Schedule`.
        notes: what to store in every saved network, including "latent_prior".
        make_metric: a function that makes the `quality.QualityMetric` of saved generators, or None to measure nothing;
            it is called when the first one is saved, since it reads thousands of real images.
        remedies: what to try, by kind of `collapse.Finding`.
    """

    def __init__(self, folder, schedule, notes, make_metric=None, remedies=None):
        self.folder = Path(folder)
        self.schedule = schedule
        self.notes = notes
        self.make_metric = make_metric
        self.remedies = remedies or {}
        self.metric = None
        self.tensorboard = None
        self.figures = ()
        if make_metric:
            from facegan.metrics import quality

            self.figures = quality.FIGURES

    def load_state(self, variables, before_step=None):
        """See `checkpoints.load_state`."""
        return checkpoints.load_state(self.folder, variables, before_step)

    def save_state(self, variables, progress, rotate):
        """See `checkpoints.save_state`."""
        checkpoints.save_state(self.folder, variables, progress, rotate)

    def discard_after(self, step):
        """See `checkpoints.discard_after`."""
        checkpoints.discard_after(self.folder, step)

    def open_tables(self, step, epoch_start):
        """Open the TensorBoard events, and the tables without rows later than the state that the run resumes from.

        Args:
            step: steps made. epoch_start: steps made by the end of the last complete epoch.
        """
        columns = ("epoch", "step", "kimg", "seconds", *logs.NUMBERS, *self.figures, "collapse")
        self.log = logs.Table(self.folder / "log.csv", columns, epoch_start)
        self.steps = logs.Table(self.folder / "steps.csv", STEP_COLUMNS, step)
        self.tensorboard = self.tensorboard or logs.TensorBoard(self.folder / "tensorboard")

    def log_step(self, step, numbers):
        """Write the row of a step."""
        self.steps.add({"step": step, **numbers})
        self.tensorboard.scalars(step, numbers)

    def log_epoch(self, row):
        """Write the row of an epoch, a dictionary by column."""
        self.log.add(row)
        numbers = {name: row.get(name) for name in (*logs.NUMBERS, *self.figures)}
        self.tensorboard.scalars(row["step"], {f"epoch/{name}": value for name, value in numbers.items()})

    def warn(self, finding):
        """Print a failure, the last generator saved before it, and a remedy."""
        saved = [path for path in generators.checkpoints(self.folder) if self.schedule.step_of(path) < finding.since]
        good = f"{saved[-1].name} was saved before that" if saved else "no generator was saved before that"
        remedy = f"; {self.remedies[finding.kind]}" if finding.kind in self.remedies else ""
        print(f"\nwarning: {finding.sentence}; {good}{remedy}", file=sys.stderr, flush=True)

    def save_networks(self, gan, step, best):
        """Save both networks, draw the averaged generator's faces, and measure it.

        Args:
            gan: a `gan.GAN`. step: steps made. best: `times_real` of the best generator so far, or None.

        Returns:
            (the best `times_real` now, or None if nothing was measured; metrics by name).
        """
        generator = devices.own_copy(gan.averaged_generator)
        number = self.schedule.number(step)
        notes = {**self.notes, "step": step}
        path = self.folder / f"generator_model_{number}.h5"
        with devices.alone():
            generators.save_model(generator, path, notes)
            generators.save_model(gan.discriminator, self.folder / f"discriminator_model_{number}.h5", notes)

            def draw(faces):
                points = latents.latents_of_faces(faces, generator.input_shape[-1], self.notes["latent_prior"])
                return generators.draw(generator, points, gan.output_activation)

            self.draw_pictures(images.shown(draw(FIXED_FACES), gan.output_activation), step)
            return self.measure(path, draw, best) if self.make_metric else (best, {})

    def draw_pictures(self, pixels, step):
        """Draw the fixed faces, an animation of all drawings of them so far, and the losses."""
        picture = images.grid(pixels, columns=7, numbers=FIXED_FACES)
        prefix = "generated_plot_" if self.schedule.by_steps else "generated_plot_e"
        with files.atomic_write(self.folder / f"{prefix}{self.schedule.number(step)}.png") as file:
            picture.save(file, "PNG")
        self.tensorboard.picture(step, "generated", np.asarray(picture))
        plots = sorted(self.folder.glob(f"{prefix}*.png"), key=self.schedule.step_of)
        with files.atomic_write(self.folder / "progress.gif") as file:
            images.save_gif([Image.open(path) for path in plots], file, GIF_MILLISECONDS)
        logs.draw_losses(logs.read_table(self.folder / "steps.csv"), self.folder / "losses.png")

    def measure(self, path, draw, best):
        """Measure the generator saved at `path`, and keep a copy of its file if it is the best so far."""
        if self.metric is None:
            self.metric = self.make_metric()
            print(self.metric.describe(), flush=True)
        figures = self.metric.figures(draw(range(1, self.metric.count + 1)))
        is_best = figures.times_real < (math.inf if best is None else best)  # never true of a figure that is not finite
        if is_best:
            with files.atomic_path(self.folder / generators.BEST_NAME) as temporary:
                shutil.copyfile(path, temporary)
        remark = "the best so far" if is_best else f"the best is {best:.1f}x" if best else "not ranked"
        print(f"{path.name}: {figures.describe()}, {remark}", flush=True)
        return figures.times_real if is_best else best, figures.logged()

    def close(self):
        """Flush the events to disk."""
        self.tensorboard.flush()


class SilentWriter:
    """The writer of a process that trains the same GAN as the first one and leaves all writing to it.

    It reads the states that the first process saves, so the run folder must be visible from every host.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder):
        self.folder = folder

    def load_state(self, variables, before_step=None):
        """See `checkpoints.load_state`."""
        return checkpoints.load_state(self.folder, variables, before_step)

    def save_networks(self, gan, step, best):
        """Save and measure nothing."""
        return best, {}

    def _do_nothing(self, *arguments, **options):
        pass

    save_state = discard_after = open_tables = log_step = log_epoch = warn = close = _do_nothing
