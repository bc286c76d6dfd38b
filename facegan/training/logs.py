"""The logs of a training run: tables that survive interruptions, curves, TensorBoard events."""

import array
import csv
import math
import platform
import time
from pathlib import Path

from facegan.common import files

import numpy as np

NUMBERS = ("d_loss_real", "d_loss_generated", "g_loss", "d_accuracy_real", "d_accuracy_generated", "batch_diversity")
# D's accuracies at a save, on fresh images in inference mode; those above are of training batches, before D's update.
FRESH = ("d_fresh_accuracy_real", "d_fresh_accuracy_generated")
MOST_POINTS = 300  # of a curve; the steps of a longer run are averaged in groups
FLUSH_SECONDS = 60


class Table:
    """A csv file that grows row by row and can be cut back to an earlier step.

    Args:
        path: the file; it is created with its header if missing.
        columns: names; "step" must be among them. Other columns that the file already has are kept.
        keep_to: rows of later steps are removed: an interrupted run wrote them after the state it resumes from.
        block: rows that are written at a time; `flush` writes those that wait.
    """

    def __init__(self, path, columns, keep_to, block=1):
        self.path = Path(path)
        self.block = block
        self.waiting = []
        self.columns = columns + tuple(name for name in _header(self.path) if name not in columns)
        left = sum(1 for _ in _whole_lines(self.path)) - 1  # lines besides the header
        with files.atomic_write(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="", extrasaction="ignore")
            writer.writeheader()
            for row in _whole_rows(self.path):
                left -= 1
                if float(row["step"]) <= keep_to:
                    writer.writerow(row)
        if left > 0:
            print(f"note: {self.path}: {left} damaged lines are left out")

    def add(self, row):
        """Append a row, a dictionary by column; values that are missing or None are left empty."""
        self.waiting.append({name: _text(row.get(name)) for name in self.columns})
        if len(self.waiting) >= self.block:
            self.flush()

    def flush(self):
        """Write the rows that wait for their block to be complete."""
        if self.waiting:
            with files.explained(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerows(self.waiting)
            self.waiting = []


def read_table(path):
    """The rows of a table as dictionaries, numbers as floats and empty fields as None; [] if there is no file.

    A last line that a crash cut short is left out.
    """
    return [{name: _value(field) for name, field in row.items()} for row in _whole_rows(Path(path))]


def _header(path):
    """The names of the columns; none if the first line is damaged."""
    names = _fields(next(_whole_lines(path), ""))
    return names if "step" in names else []


def _whole_rows(path):
    """Yield the rows of a file as dictionaries of text; a run of many steps has too many to hold them all.

    Damaged lines are left out: those with another number of fields than the header, or whose step is not a number.
    """
    names = _header(path)
    for line in _whole_lines(path):
        row = dict(zip(names, fields, strict=True)) if len(fields := _fields(line)) == len(names) else {}
        if isinstance(_value(row.get("step")), float):
            yield row


def _fields(line):
    """The fields of one line, none if it is damaged: a stray quotation mark must not swallow the lines after it."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _whole_lines(path):
    if path.is_file():
        with path.open(newline="\n", encoding="utf-8", errors="replace") as file:
            yield from (line for line in file if line.endswith("\n") and "\0" not in line)


def _text(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) and value % 1 else str(value).removesuffix(".0")


def _value(field):
    try:
        return float(field) if field else None
    except ValueError:
        return field


def draw_losses(table, path):
    """Plot the losses, D's accuracies and the batch diversity in a steps.csv as a PNG.

    Args:
        table: the path of the steps.csv.
        path: of the PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = _columns(Path(table), ("step", *NUMBERS))
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    real, generated = curves["d_loss_real"], curves["d_loss_generated"]
    losses = {"D, real": real, "D, generated": generated, "D, sum": real + generated}
    shares = {"accuracy, real": curves["d_accuracy_real"], "accuracy, generated": curves["d_accuracy_generated"]}
    if np.array_equal(real, generated, equal_nan=True):  # the relativistic loss has one value for both images of a pair
        losses, shares = {"D, pairs": real}, {"accuracy, pairs": curves["d_accuracy_real"]}
    _plot(upper, curves["step"], {**losses, "G": curves["g_loss"]}, "loss")
    _plot(lower, curves["step"], {**shares, "batch diversity": curves["batch_diversity"]}, "share, ratio")
    lower.set_xlabel("step")
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _columns(path, names):
    """Columns of a table as arrays of floats; NaN where a field is empty."""
    columns = {name: array.array("d") for name in names}
    for row in _whole_rows(path):
        for name, values in columns.items():
            value = _value(row.get(name))
            values.append(value if isinstance(value, float) else np.nan)
    return {name: np.array(values) for name, values in columns.items()}


def _plot(axes, steps, curves, label):
    """Plot curves by name, each over a band from the lowest to the highest of the values averaged in a point."""
    starts = np.arange(0, len(steps), -(-len(steps) // MOST_POINTS) or 1)
    if len(starts) == 0:
        return
    counts = np.diff(np.append(starts, len(steps)))
    points = np.maximum.reduceat(steps, starts)
    bottom = top = 0.0
    for name, values in curves.items():
        means = np.add.reduceat(values, starts) / counts
        axes.plot(points, means, linewidth=0.9, label=name)
        low, high = (edge.reduceat(values, starts) for edge in (np.minimum, np.maximum))
        axes.fill_between(points, low, high, alpha=0.15, linewidth=0)
        finite = means[np.isfinite(means)]
        bottom, top = finite.min(initial=bottom), finite.max(initial=top)
    axes.set_ylim(1.1 * bottom, 1.1 * top or 1.0)  # a single step may rise far above the rest
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(curves), frameon=False)


class TensorBoard:
    """Writes TensorBoard events, under any backend; read them with `tensorboard --logdir FOLDER`.

    Not by tensorboardX's `SummaryWriter`: a full disk ends its thread, and the next events wait for it forever.
    """

    def __init__(self, folder):
        from tensorboardX import record_writer, summary
        from tensorboardX.proto import event_pb2

        self._folder, self._summary, self._event = Path(folder), summary, event_pb2.Event
        self._flushed = time.monotonic()
        with files.explained(folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time_ns()}.{platform.node()}"
            self._records = record_writer.RecordWriter(str(self._folder / name))
        self._write(file_version="brain.Event:2")

    def scalars(self, step, numbers):
        """Write a dictionary of scalars; None, NaN and infinity are left out."""
        for name, value in numbers.items():
            if value is not None and math.isfinite(value):
                self._write(step=int(step), summary=self._summary.scalar(name, value))

    def picture(self, step, name, pixels):
        """Write one image, uint8 (height, width, channels)."""
        self._write(step=int(step), summary=self._summary.image(name, pixels, dataformats="HWC"))

    def _write(self, **fields):
        with files.explained(self._folder):
            self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
            if time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._flushed = time.monotonic()
                self._records.flush()

    def close(self):
        """Flush the events to disk and close the file."""
        with files.explained(self._folder):
            try:
                self._records.flush()
            finally:
                self._records.close()


def duration(seconds):
    """Text such as "2 h 05 min", "12 min" or "40 s"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 90 else f"{minutes} min"
