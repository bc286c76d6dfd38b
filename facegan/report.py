"""What an evaluation shows people: the table of generators, the same as csv, and curves over a run's epochs."""

import csv
import dataclasses
import re
from pathlib import Path

from facegan import files

COLUMNS = (
    "frechet_distance",
    "kernel_distance",
    "kernel_low",
    "kernel_high",
    "face_share",
    "spacing",
    "coverage",
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One generator's figures, a dict as `quality.Judge.figures` returns it."""

    path: Path
    fingerprint: str
    figures: dict


def rank(row):
    """What generators are sorted by, best first: the Fréchet distance."""
    return row.figures["frechet_distance"]


def table(rows, judge):
    """The figures of generators and of real images as lines of text.

    Args:
        rows: `Row`s, best first. judge: the `quality.Judge` that measured them.
    """
    lines = [(_name(row.path, rows), row.figures) for row in rows]
    if judge.floor is not None:
        lines.append((f"real images ({judge.floor_count:,})", judge.floor))
    width = max(len(name) for name, _ in lines)
    heading = f"{'':{width}}   Fréchet   kernel x 1000 (range)          face  spacing  coverage"
    return "\n".join([heading, *(f"{name:{width}}  {_figures(figures)}" for name, figures in lines)])


def _name(path, rows):
    """A file's name; with its folder where the files come from several."""
    return path.name if len({row.path.parent for row in rows}) == 1 else str(path)


def _figures(figures):
    estimate, low, high = (1000 * figures[name] for name in ("kernel_distance", "kernel_low", "kernel_high"))
    kernel = f"{estimate:.3f} ({low:.3f} to {high:.3f})"
    face = "—" if figures["face_share"] is None else f"{figures['face_share']:.3f}"
    spacing, coverage = figures["spacing"], figures["coverage"]
    return f"{figures['frechet_distance']:8.4f}   {kernel:28}  {face:>5}  {spacing:7.2f}  {coverage:8.2f}"


def write_csv(rows, judge, path):
    """Write the figures of generators, best first, and of real images as a last row."""
    with files.whole_file(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["generator", "fingerprint", "images", "real_images", *COLUMNS])
        for row in rows:
            writer.writerow([row.path, row.fingerprint, judge.count, len(judge.real_rows), *_fields(row.figures)])
        if judge.floor is not None:
            writer.writerow(["real images", "", judge.floor_count, len(judge.real_rows), *_fields(judge.floor)])


def _fields(figures):
    return ["" if figures[name] is None else f"{figures[name]:.6g}" for name in COLUMNS]


def draw_curves(rows, judge, path):
    """Draw a run's quality over its checkpoints as a PNG; dashed lines are what other real images get.

    Args:
        rows: `Row`s whose files end in a number, oldest first.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    FigureCanvasAgg(figure)
    upper, middle, lower = figure.subplots(3, 1, sharex=True)
    numbers = [int(re.findall(r"\d+", row.path.stem)[-1]) for row in rows]

    def curve(axes, name, scale=1):
        values = [row.figures[name] for row in rows]
        if None in values:
            return
        line = axes.plot(numbers, [scale * value for value in values], marker="o", markersize=3, label=_label(name))[0]
        if judge.floor is not None:
            axes.axhline(scale * judge.floor[name], color=line.get_color(), linestyle="--", linewidth=0.8)

    curve(upper, "frechet_distance")
    upper.set_yscale("log")
    curve(middle, "kernel_distance", 1000)
    bounds = [[1000 * row.figures[name] for row in rows] for name in ("kernel_low", "kernel_high")]
    middle.fill_between(numbers, *bounds, alpha=0.2, label="range of repeated draws")
    middle.set_yscale("symlog", linthresh=0.1)
    for name in ("face_share", "spacing", "coverage"):
        curve(lower, name)
    lower.set_ylim(bottom=0)
    lower.set_xlabel(f"checkpoint; {judge.count:,} generated, {len(judge.real_rows):,} real images")
    for axes in (upper, middle, lower):
        axes.grid(alpha=0.3)
        axes.legend()
    with files.whole_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _label(name):
    return {"frechet_distance": "Fréchet distance", "kernel_distance": "kernel distance x 1000"}.get(
        name, name.replace("_", " ")
    )
