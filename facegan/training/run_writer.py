"""Writes a run folder: tables, generators, pictures, states. `SilentWriter` is for processes that write nothing."""

import math
import shutil
import sys
from pathlib import Path

from facegan.common import files, generators, images
from facegan.training import checkpoints, devices, logs, networks

import numpy as np
from PIL import Image

GIF_MILLISECONDS = 400
FIXED_NAMES = ("config.json", "real.png", "log.csv", "steps.csv", "losses.png", "progress.gif")
STEP_COLUMNS = ("step", *logs.NUMBERS)
STEPS_PER_BLOCK = 50  # rows of steps.csv that are written at a time
AVERAGE_FIGURE = "times_real_average"  # `times_real` of the generator_average_*.h5 beside the generator of the row
STEPS_PER_EVENT = 10  # an event takes ten times as much space as a row


class RunWriter:
    """Writes what a run leaves in its folder.

    Args:
        folder: the run folder, which exists. schedule: a `loop.Schedule`. preset: a row of `presets.PRESETS`.
        notes: what to store in every saved network, including "latent_prior" and "inverted".
        batches: the run's `batches.Batches`, for fresh images.
        make_metric: a function that makes the `quality.QualityMetric` of saved generators, or None to measure nothing;
            it is called when the first one is saved, since it reads thousands of real images.
        remedies: what to try, by kind of `collapse.Finding`.
        settings: JSON data to store in every state, see `run_config.check_same_run`.
    """

    def __init__(self, folder, schedule, preset, notes, *, batches, make_metric=None, remedies=None, settings=None):
        self.settings = settings
        self.folder = Path(folder)
        self.schedule = schedule
        self.preset = preset
        self.notes = notes
        self.batches = batches
        self.make_metric = make_metric
        self.remedies = remedies or {}
        self.metric = None
        self.tensorboard = None
        self.trained = None
        self.figures = logs.FRESH
        if make_metric:
            from facegan.metrics import quality

            self.figures += (*quality.FIGURES, AVERAGE_FIGURE) if preset.saved == "trained" else quality.FIGURES

    def load_state(self, variables, parse, before_step=None):
        """See `checkpoints.load_state`."""
        return checkpoints.load_state(self.folder, variables, parse, before_step)

    def save_state(self, variables, progress, rotate):
        """See `checkpoints.save_state`. The tables are complete up to a state's step."""
        self.steps.flush()
        checkpoints.save_state(self.folder, variables, progress, rotate, self.settings)

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
        self.steps = logs.Table(self.folder / "steps.csv", STEP_COLUMNS, step, STEPS_PER_BLOCK)
        self.tensorboard = self.tensorboard or logs.TensorBoard(self.folder / "tensorboard")

    def log_step(self, step, numbers):
        """Write the row of a step."""
        self.steps.add({"step": step, **numbers})
        if step % STEPS_PER_EVENT == 0:
            self.tensorboard.scalars(step, numbers)

    def log_epoch(self, row):
        """Write the row of an epoch, a dictionary by column, and with it the rows of its steps."""
        self.steps.flush()
        self.log.add(row)
        numbers = {name: row.get(name) for name in (*logs.NUMBERS, *self.figures)}
        self.tensorboard.scalars(row["step"], {f"epoch/{name}": value for name, value in numbers.items()})

    def warn(self, finding, goes_on):
        """Print a failure, the last generator saved before it, a remedy, and what else helps if the run goes on."""
        saved = [path for path in generators.checkpoints(self.folder) if self.schedule.step_of(path) < finding.since]
        good = f"{saved[-1].name} was saved before that" if saved else "no generator was saved before that"
        remedy = f"; {self.remedies[finding.kind]}" if finding.kind in self.remedies else ""
        back = ""
        if goes_on and checkpoints.has_state(self.folder):
            back = "; the run goes on; with --on-collapse restore, the same command goes back to an earlier state"
        print(f"\nwarning: {finding.sentence}; {good}{remedy}{back}", file=sys.stderr, flush=True)

    def draw_start(self, gan):
        """Draw the images of a generator that has not been trained yet."""
        model = devices.own_copy(gan.averaged_generator)
        with devices.alone():
            self.draw_pictures(self.generator(gan, model, None), 0)

    def save_networks(self, gan, step, best):
        """Save the networks, draw the generator's first faces, and measure both networks.

        Args:
            gan: a `gan.GAN`. step: steps made. best: `times_real` of the best generator so far, or None.

        Returns:
            (the best `times_real` now, or None if nothing was measured; D's accuracies and the metrics by name).
        """
        number = self.schedule.number(step)
        averaged, discriminator = devices.own_copy(gan.averaged_generator), devices.own_copy(gan.discriminator)
        with devices.alone():
            trained = self.trained_copy(gan, averaged)
            saved = {"model": averaged if self.preset.saved == "average" else trained}
            if self.preset.saved == "trained" and gan.ema_decay:
                saved["average"] = averaged
            saved = [self.generator(gan, model, f"generator_{kind}_{number}.h5") for kind, model in saved.items()]
            notes = {**self.notes, "step": step}
            for generator in saved:
                weights = "average" if generator.model is averaged and gan.ema_decay else "trained"
                generators.save_model(generator.model, generator.path, {**notes, "weights": weights})
            path = self.folder / f"discriminator_model_{number}.h5"
            notes["pixel_range"] = gan.output_activation
            generators.save_model(discriminator, path, notes, gan.objective.activation)
            self.draw_pictures(saved[0], step)
            self.steps.flush()
            logs.draw_losses(self.folder / "steps.csv", self.folder / "losses.png")
            numbers = self.accuracies(gan, discriminator, trained, step)
            return self.measure(saved, best, numbers) if self.make_metric else (best, numbers)

    def trained_copy(self, gan, averaged):
        """The generator that is trained, without its average, as float32 on one device.

        It has the layers of a finished one only if it is saved: D is tested on images of the kind that it learns from.
        """
        if self.trained is None:
            shape, latent_dim = averaged.output_shape[1:], averaged.input_shape[1]
            finished = self.preset.saved == "trained"
            self.trained = networks.build_generator(self.preset, shape, latent_dim, "float32", finished=finished)
        networks.copy_weights(gan.generator, self.trained)
        return self.trained

    def generator(self, gan, model, name):
        """A network ready to draw, with the path that it is saved at."""
        path = name and self.folder / name
        prior, inverted = self.notes["latent_prior"], self.notes["inverted"]
        return generators.KerasGenerator(path, model, prior, gan.output_activation, inverted)

    def accuracies(self, gan, discriminator, generator, step):
        """Test D on fresh real and generated images in inference mode, as the tutorials do; its accuracies by name."""
        pixels, points = self.batches.fresh(step, self.preset.accuracy_images)
        pair = (images.to_images(pixels, gan.output_activation), generators.predict(generator, points))
        shares = gan.objective.d_accuracies(*(generators.predict(discriminator, batch) for batch in pair))
        real, generated = map(float, shares.values())
        shown = f"of pairs: {real:.0%}" if gan.objective.paired else f"real: {real:.0%}, fake: {generated:.0%}"
        print(f">Accuracy {shown}", flush=True)
        return dict(zip(logs.FRESH, (real, generated), strict=True))

    def draw_pictures(self, generator, step):
        """Draw a generator's first faces, and an animation of all such pictures so far."""
        faces = range(1, self.preset.plot_side**2 + 1)
        pixels = images.as_shown(generator.draw(generator.latents_of(faces)), generator.inverted)
        picture = images.grid(pixels, columns=self.preset.plot_side, numbers=faces)
        prefix = "generated_plot_" if self.schedule.by_steps else "generated_plot_e"
        with files.atomic_write(self.folder / f"{prefix}{self.schedule.number(step)}.png") as file:
            picture.save(file, "PNG")
        self.tensorboard.picture(step, "generated", np.asarray(picture))
        plots = self.folder.glob(f"{prefix}*.png")
        plots = sorted((path for path in plots if path.stem.removeprefix(prefix).isdigit()), key=self.schedule.step_of)
        with files.atomic_path(self.folder / "progress.gif") as path:
            images.save_animation(_pictures(plots, picture.size), path, GIF_MILLISECONDS)

    def measure(self, saved, best, numbers):
        """Measure saved generators, and keep a copy of the file of the best so far.

        Returns:
            (the best `times_real` now; `numbers` and the metrics by name, which are the first generator's).
        """
        if self.metric is None:
            self.metric = self.make_metric()
            print(self.metric.describe(), flush=True)
        for generator in saved:
            figures = self.metric.figures(generator.draw(generator.latents_of(range(1, self.metric.count + 1))))
            logged = figures.logged() if generator is saved[0] else {AVERAGE_FIGURE: figures.times_real}
            numbers = numbers | logged
            is_best = figures.times_real < (math.inf if best is None else best)  # never true of NaN
            if is_best:
                best = figures.times_real
                with files.atomic_path(self.folder / generators.BEST_NAME) as temporary:
                    shutil.copyfile(generator.path, temporary)
            remark = "the best so far" if is_best else f"the best is {best:.1f}x" if best else "not ranked"
            print(f"{generator.path.name}: {figures.describe()}, {remark}", flush=True)
        return best, numbers

    def close(self):
        """Write what waits to disk."""
        try:
            self.steps.flush()
        finally:
            self.tensorboard.close()


def check_outputs(folder):
    """Raise ValueError if one of the files of a run folder could not be written, before hours are spent."""
    for name in (*FIXED_NAMES, *checkpoints.NAMES, checkpoints.NEW_NAME, generators.BEST_NAME):
        files.writable_path(Path(folder) / name)
    events = Path(folder) / "tensorboard"
    if events.exists() and not events.is_dir():
        raise ValueError(f"{events}: is a file, not a folder of events; move it away")


def _pictures(paths, size):
    """Yield the pictures of a size, since a run may resume with another grid, without those that are damaged."""
    for path in paths:
        try:
            with Image.open(path) as picture:
                if picture.size == size:
                    picture.load()
                    yield picture
        except Exception as error:  # Pillow raises many kinds
            print(f"note: {path} cannot be read ({error}); it is left out of the animation")


class SilentWriter:
    """The writer of a process that trains the same GAN as the first one and leaves all writing to it.

    It reads the states that the first process saves, so the run folder must be visible from every host.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder):
        self.folder = folder

    def load_state(self, variables, parse, before_step=None):
        """See `checkpoints.load_state`."""
        return checkpoints.load_state(self.folder, variables, parse, before_step)

    def save_networks(self, gan, step, best):
        """Save and measure nothing."""
        return best, {}

    def _do_nothing(self, *arguments, **options):
        pass

    save_state = discard_after = open_tables = draw_start = log_step = log_epoch = warn = close = _do_nothing
