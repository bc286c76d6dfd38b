"""Shards, the parts of a data set that were prepared one by one, merged to the same bytes as one run."""

import collections
import contextlib
from pathlib import Path

from facegan.common import datasets, files
from facegan.preparing import csv_table
from facegan.preparing.row_writer import RowWriter
from facegan.preparing.settings import read_settings, write_settings

import numpy as np

COPIED_ROWS = 1024  # at a time


class Shard:
    """One shard: its .npz, mapped into memory, and the csv beside it.

    Attributes:
        settings: its `Settings`. number, count: which shard it is of how many.
        pixels: its rows. columns: names of the csv's columns.

    Raises:
        ValueError: the file cannot be read, is not a shard, has no csv beside it or another number of rows.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.pixels = datasets.open_array(path)[1]
        self.settings, shard = read_settings(path)
        if shard is None:
            raise ValueError(f"{path}: is a whole data set, not a shard of one; leave it out")
        self.number, self.count = shard
        self._csv_path = self.path.with_suffix(".csv")
        if not self._csv_path.exists():
            raise ValueError(f"{path}: its csv {self._csv_path} is missing; copy it beside the .npz")
        self.columns = list(next(self.lines(), {}))
        if sum(bool(line.get("row")) for line in self.lines()) != len(self.pixels):
            raise ValueError(f"{path}: has a different number of rows from {self._csv_path.name}; prepare it again")

    def lines(self):
        """Yield the csv's lines, dictionaries of texts."""
        return csv_table.read(self._csv_path)


def open_shards(paths):
    """Open the shards of one data set, in any order; returns `Shard`s in order.

    Raises:
        ValueError: as `Shard`, and if they do not make one whole data set.
    """
    shards = sorted((Shard(path) for path in paths), key=lambda shard: shard.number)
    first, count = shards[0], shards[0].count
    for shard in shards:
        if (shard.settings, shard.count, shard.columns) != (first.settings, count, first.columns):
            raise ValueError(f"{shard.path}: was made with different options from {first.path}; prepare it again")
    numbers = [shard.number for shard in shards]
    for number in range(1, count + 1):
        if numbers.count(number) != 1:
            problem = "is missing" if number not in numbers else "is named twice"
            raise ValueError(f"shard {number}/{count} {problem}; name each of the {count} shards once")
    return shards


def merge(shards, out, save_preview):
    """Write the data set that shards make up, with csv and preview beside it.

    Args:
        shards: all `Shard`s of it, in order. out: the .npz to write, a Path.
        save_preview: a function of a data set's path and of a path to write a PNG to.

    Returns:
        (rows, counts), the counts of statuses as a `Counter`.

    Raises:
        WriteError: a file cannot be written, for instance because the disk is full.
    """
    settings = shards[0].settings
    with files.explained(out), contextlib.ExitStack() as stack:
        data = stack.enter_context(files.atomic_path(out))  # entered first, so that it takes its name last
        table = stack.enter_context(files.atomic_path(out.with_suffix(".csv")))
        preview = stack.enter_context(files.atomic_path(out.with_suffix(".png")))
        with RowWriter(data, settings.row_shape) as writer, table.open("w", encoding="utf-8", newline="") as file:
            counts = _copy(shards, writer, file)
            writer.finish(write_settings(settings))
        save_preview(data, preview)
    return writer.rows, counts


def _copy(shards, writer, file):
    """Copy rows and lines of all shards, without the photos that an earlier shard has; returns counts of statuses.

    It ends with the row that reaches the limit of the settings, as a single run does.
    """
    columns, limit = shards[0].columns, shards[0].settings.limit
    duplicates = csv_table.DuplicateFinder() if csv_table.DIGEST in columns else None
    counts = collections.Counter()
    file.write(csv_table.to_text(columns, [dict(zip(columns, columns, strict=True))]))
    for shard in shards:
        chosen = []
        for line in _without_duplicates(shard.lines(), duplicates):
            if limit and writer.rows + len(chosen) == limit:
                break
            if line["row"]:
                chosen.append(int(line["row"]))
                line["row"] = writer.rows + len(chosen) - 1
            counts[line["status"]] += 1
            file.write(csv_table.to_text(columns, [line]))
        for start in range(0, len(chosen), COPIED_ROWS):
            writer.write(np.asarray(shard.pixels[chosen[start : start + COPIED_ROWS]]))
    return counts


def _without_duplicates(lines, duplicates):
    """Yield lines, photo by photo; those of a photo that `duplicates` knows become one line."""
    for group in _by_photo(lines):
        yield from _marked(group, duplicates) if duplicates else group


def _by_photo(lines):
    """Group lines by photo: neighbours with the same source, except duplicates, which stand alone."""
    group = []
    for line in lines:
        if group and (line["source"] != group[0]["source"] or "duplicate" in (line["status"], group[0]["status"])):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _marked(lines, duplicates):
    """A photo's lines, or the one line of a duplicate if its pixels came before."""
    first = lines[0]
    detail = duplicates.detail(first[csv_table.DIGEST], first["source"])
    if not detail:
        return lines
    of_faces = set(csv_table.COLUMNS) - {"source", "photo_width", "photo_height"}
    kept = {name: value for name, value in first.items() if name not in of_faces}
    return [{**kept, "status": "duplicate", "row": "", "detail": detail}]
