"""What an evaluation shows: a table of generators, the same as csv, a run's curves, and the nearest training images."""

import csv
import dataclasses
import math
import re
from pathlib import Path

from facegan.common import files, images
from facegan.metrics import distances, quality
from facegan.metrics.local_features import resized

import numpy as np

TRAINING_ROWS = 20_000  # training images at most that are searched for neighbours, drawn at random
SHOWN = 8  # generated images in each half of the picture
NEIGHBOURS = 4  # training images beside each


@dataclasses.dataclass(frozen=True)
class Row:
    """One generator's figures."""

    path: Path
    fingerprint: str
    figures: quality.Figures


def rank(row):
    """What generators are sorted by, best first: how many times as far away as other real images they are."""
    return row.figures.times_real if math.isfinite(row.figures.times_real) else math.inf


def table(rows, metric):
    """Lay out the figures of generators and of real images as lines of text.

    Args:
        rows: `Row`s, best first.
        metric: the `quality.QualityMetric` that measured them.
    """
    lines = [("", *quality.LABELS.values()), *((_name(row.path, rows), *cells(row.figures)) for row in rows)]
    lines.append((f"real images ({metric.floor_count:,})", *cells(metric.floor)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([name.ljust(widths[0]), *map(str.rjust, figures, widths[1:])] for name, *figures in lines)
    return "\n".join("  ".join(line) for line in padded)


def _name(path, rows):
    """A file's name; with its folder where the files come from several."""
    return path.name if len({row.path.parent for row in rows}) == 1 else str(path)


def cells(figures):
    """The texts of a `quality.Figures` for a table, in the order of `quality.LABELS`; the kernel's with its range."""
    kernel = (figures.kernel_distance, figures.kernel_low, figures.kernel_high)
    return (
        *(f"{getattr(figures, name):.1f}x" for name in ("times_real", *quality.PARTS)),
        f"{figures.frechet_distance:.4f}",
        "{:.3f} ({:.3f} to {:.3f})".format(*(quality.KERNEL_SCALE * value for value in kernel)),
        f"{figures.nearest_neighbour_diversity:.2f}",
        f"{figures.coverage:.2f}",
    )


def write_csv(rows, metric, path):
    """Write the figures of generators, best first, and of real images as a last row."""
    names = [field.name for field in dataclasses.fields(quality.Figures)]
    measured = [(row.path, row.fingerprint, metric.count, row.figures) for row in rows]
    measured.append(("real images", "", metric.floor_count, metric.floor))
    with files.atomic_write(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["generator", "fingerprint", "images", "real_images", *names])
        for generator, fingerprint, count, figures in measured:
            texts = (f"{value:.6g}" for value in dataclasses.astuple(figures))
            writer.writerow([files.printable(str(generator)), fingerprint, count, len(metric.real_rows), *texts])


def draw_curves(rows, metric, path):
    """Draw a run's quality over its checkpoints as a PNG; dashed lines are what other real images get.

    Args:
        rows: `Row`s whose files end in a number, oldest first.
        metric: the `quality.QualityMetric` that measured them.
        path: the PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9, 8), layout="constrained")
    FigureCanvasAgg(picture)
    upper, middle, lower = picture.subplots(3, 1, sharex=True)
    numbers = [int(re.findall(r"\d+", row.path.stem)[-1]) for row in rows]

    def curve(axes, name, scale=1):
        values = [scale * getattr(row.figures, name) for row in rows]
        line = axes.plot(numbers, values, marker="o", markersize=3, label=quality.LABELS[name])[0]
        axes.axhline(scale * getattr(metric.floor, name), color=line.get_color(), linestyle="--", linewidth=0.8)

    for name in ("times_real", *quality.PARTS):
        curve(upper, name)
    upper.set_yscale("log")
    curve(middle, "kernel_distance", quality.KERNEL_SCALE)
    low = [quality.KERNEL_SCALE * row.figures.kernel_low for row in rows]
    high = [quality.KERNEL_SCALE * row.figures.kernel_high for row in rows]
    middle.fill_between(numbers, low, high, alpha=0.2, label="range of repeated draws")
    middle.set_yscale("symlog", linthresh=0.1)
    for name in ("nearest_neighbour_diversity", "coverage"):
        curve(lower, name)
    lower.set_ylim(bottom=0)
    lower.xaxis.get_major_locator().set_params(integer=True)
    compared = f"{metric.count:,} generated, {len(metric.real_rows):,} real images"
    lower.set_xlabel(f"checkpoint; {compared}; dashed: other real images")
    for axes in (upper, middle, lower):
        axes.grid(alpha=0.3)
        axes.legend()
    with files.atomic_path(path) as temporary:
        picture.savefig(temporary, dpi=100)


class Neighbours:
    """The training images nearest to generated ones.

    Args:
        drawn: faces 1, 2, … of a generator, uint8 (n, height, width, channels).
        metric: a `quality.QualityMetric` of the data set; its features are compared.
        held_out_rows: rows of the data set that were not trained on.

    Attributes:
        rows, distances: (n, 4) each: the nearest rows, nearest first, and how far away they are.
        novelty: the mean distance of generated images to the nearest training image, divided by that of held-out
            images: about 1 if they are as new as real images, near 0 if copied. None where the metric's real images
            are not held-out ones.
    """

    def __init__(self, drawn, metric, held_out_rows):
        self.drawn, self.pixels = drawn, metric.cache.pixels
        trained_on = np.setdiff1d(np.arange(len(self.pixels)), held_out_rows)
        self.training_rows = np.sort(np.random.RandomState(2).permutation(trained_on)[:TRAINING_ROWS])
        training_features = metric.cache.of_rows(self.training_rows)
        features = metric.cache.features.compute(drawn)
        nearest, self.distances = distances.nearest(features, training_features, NEIGHBOURS)
        self.rows = self.training_rows[nearest]
        self.novelty = None
        if metric.held_out:
            real = distances.nearest(metric.real_features, training_features)[1]
            self.novelty = float(self.distances[:, 0].mean() / real.mean())

    def describe(self):
        """A line for people on how new the generated images are."""
        text = f"nearest of {len(self.training_rows):,} training images: "
        if self.novelty is None:
            return text + "with less than a thousand held-out images there is no distance to compare with"
        return text + f"{self.novelty:.2f} times as far away as from held-out real images (near 0: memorised)"

    def save_picture(self, path):
        """Write a PNG: the generated images closest to any training image, then faces 1 to 8, each with its nearest."""
        closest = np.argsort(self.distances[:, 0], kind="stable")[:SHOWN]
        first = np.arange(min(SHOWN, len(self.drawn)))
        captions = [f"The generated images closest to a training image, of {len(self.drawn):,}", "The first faces"]
        sheet = images.stack([self._grid(closest), self._grid(first)], captions)
        with files.atomic_path(path) as temporary:
            sheet.save(temporary)

    def _grid(self, chosen):
        """Each row: a generated image, labelled by its number, and its neighbours by row and distance."""
        shown, labels = [], []
        for k in chosen:
            shown += [self.drawn[k], *resized(self.pixels[self.rows[k]], *self.drawn.shape[1:3])]
            near = zip(self.rows[k], self.distances[k], strict=True)
            labels += [f"face {k + 1}", *(f"row {row}: {distance:.2f}" for row, distance in near)]
        return images.grid(np.stack(shown), columns=1 + self.rows.shape[1], numbers=labels)
