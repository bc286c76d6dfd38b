"""The logs of a training run: tables that survive interruptions, curves, TensorBoard events."""

import csv
from pathlib import Path

from facegan.common import files

import numpy as np

NUMBERS = ("d_loss_real", "d_loss_generated", "g_loss", "d_accuracy_real", "d_accuracy_generated", "batch_diversity")


class Table:
    """A csv file that grows row by row and can be cut back to an earlier step.

    Args:
        path: the file; it is created with its header if missing.
        columns: names; "step" must be among them. Other columns that the file already has are kept.
        keep_to: rows of later steps are removed: an interrupted run wrote them after the state it resumes from.
    """

    def __init__(self, path, columns, keep_to):
        self.path = Path(path)
        self.columns = columns
        known = _whole_rows(self.path)
        self.columns += tuple(name for name in (known[0] if known else ()) if name not in columns)
        rows = [row for row in known if float(row["step"]) <= keep_to]
        with files.atomic_write(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows({name: row.get(name, "") for name in self.columns} for row in rows)

    def add(self, row):
        """Append a row, a dictionary by column; values that are missing or None are left empty."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow({name: _text(row.get(name)) for name in self.columns})


def read_table(path):
    """The rows of a table as dictionaries, numbers as floats and empty fields as None; [] if there is no file.

    A last line that a crash cut short is left out.
    """
    return [{name: _value(field) for name, field in row.items()} for row in _whole_rows(Path(path))]


def _whole_rows(path):
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def _text(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) and value % 1 else str(value).removesuffix(".0")


def _value(field):
    try:
        return float(field) if field else None
    except ValueError:
        return field


def draw_losses(rows, path):
    """Plot the losses, D's accuracies and the batch diversity in the rows of steps.csv as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _curves(upper, rows, ("d_loss_real", "d_loss_generated", "g_loss"), "loss")
    _curves(lower, rows, ("d_accuracy_real", "d_accuracy_generated", "batch_diversity"), "share, ratio")
    lower.set_xlabel("step")
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _curves(axes, rows, names, label):
    steps = [row["step"] for row in rows]
    for name in names:
        values = np.array([np.nan if row[name] is None else row[name] for row in rows], float)
        axes.plot(steps, values, linewidth=0.8, label=name)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")


class TensorBoard:
    """Writes TensorBoard events, under any backend; read them with `tensorboard --logdir FOLDER`."""

    def __init__(self, folder):
        import tensorboardX

        self._writer = tensorboardX.SummaryWriter(str(folder))

    def scalars(self, step, numbers):
        """Write a dictionary of scalars; None is left out."""
        for name, value in numbers.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def picture(self, step, name, pixels):
        """Write one image, uint8 (height, width, channels)."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def flush(self):
        """Flush the events to disk."""
        self._writer.flush()


def duration(seconds):
    """Text such as "2 h 05 min", "12 min" or "40 s"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 90 else f"{minutes} min"
