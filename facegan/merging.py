"""Parts of a data set, prepared one by one, joined to the same bytes as one run; and photos that come twice."""

import collections
import contextlib
import csv
import itertools
from pathlib import Path

import numpy as np

from facegan import ledger, npz, preparation
from facegan.commands import UserError
from facegan.files import whole_path

COPIED_ROWS = 1024


class Seen:
    """Fingerprints of the photos that came before, with their names.

    Args:
        lines: dictionaries with "source" and "digest", such as `ledger.read` yields.
    """

    def __init__(self, lines=()):
        self._first = {}
        for line in lines:
            self._first.setdefault(line["digest"], line["source"])

    def repeats(self, digest, source):
        """Remember a photo; returns what to say of it if it came before, else an empty text."""
        if not digest:
            return ""
        if digest in self._first:
            return f"same pixels as {self._first[digest]}"
        self._first[digest] = source
        return ""

    def mark(self, photos):
        """Make duplicates of the `preparation.Photo`s that came before."""
        for photo in photos:
            said = self.repeats(photo.digest, ledger.printable(photo.source))
            if said:
                photo.entries = [preparation.Entry("duplicate", said)]


class Part:
    """One part: a .npz made with --shard, and the csv beside it."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            self.settings, self.shard = preparation.read_settings(path)
            self.pixels = npz.open_array(path)[1]
        except ValueError as error:
            raise UserError(f"--merge {error}") from None
        self.csv_path = self.path.with_suffix(".csv")
        if self.shard is None:
            raise UserError(f"--merge {path}: is no part but a whole data set; name files made with --shard")
        if not self.csv_path.exists():
            raise UserError(f"--merge {path}: its {self.csv_path.name} is missing; put it beside")

    def lines(self):
        """The csv's lines as lists of text, the header first."""
        with self.csv_path.open(encoding="utf-8", newline="") as file:
            yield from csv.reader(file)


def merge(paths, out, save_preview):
    """Join parts, in any order.

    Args:
        paths: the parts' .npz files. out: the .npz to write, with csv and preview beside it.
        save_preview: a function of a data set's path and of a path to write a PNG to.

    Returns:
        (rows, counts), the counts of statuses as a `Counter`.
    """
    parts = _checked([Part(path) for path in paths])
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(whole_path(out))  # entered first, so that it takes its name last
        table = stack.enter_context(whole_path(out.with_suffix(".csv")))
        preview = stack.enter_context(whole_path(out.with_suffix(".png")))
        settings = parts[0].settings
        with npz.RowWriter(data, settings.row_shape) as writer, table.open("w", encoding="utf-8", newline="") as file:
            counts = _join(parts, writer, file)
            writer.finish(preparation.write_settings(settings))
        save_preview(data, preview)
    return writer.rows, counts


def _checked(parts):
    """Sort parts by number; refuse what does not make one whole."""
    parts.sort(key=lambda part: part.shard)
    of = parts[0].shard[1]
    for part in parts:
        if part.settings != parts[0].settings or part.shard[1] != of or next(part.lines()) != next(parts[0].lines()):
            raise UserError(f"--merge {part.path}: was made with other options than {parts[0].path}; make it again")
    numbers = [part.shard[0] for part in parts]
    missing = sorted(set(range(1, of + 1)) - set(numbers))
    if missing:
        raise UserError(f"--merge: part {missing[0]}/{of} is missing; name all {of} parts")
    if len(numbers) > of:
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise UserError(f"--merge: part {twice}/{of} is named twice; name each part once")
    return parts


def _join(parts, writer, file):
    header = next(parts[0].lines())
    seen = Seen() if ledger.DIGEST in header else None
    counts = collections.Counter()
    file.write(ledger.line(header))
    for part in parts:
        chosen = []
        for group in _photos(itertools.islice(part.lines(), 1, None)):
            group = _without_repeats(group, header, seen) if seen else group
            for fields in group:
                if fields[2]:
                    chosen.append(int(fields[2]))
                    fields[2] = writer.rows + len(chosen) - 1
                counts[fields[1]] += 1
                file.write(ledger.line(fields))
        if max(chosen, default=-1) >= len(part.pixels):
            raise UserError(f"--merge {part.path}: has fewer rows than {part.csv_path.name} says; make it again")
        for start in range(0, len(chosen), COPIED_ROWS):
            writer.write(np.asarray(part.pixels[chosen[start : start + COPIED_ROWS]]))
    return counts


def _photos(lines):
    """Group lines by photo: neighbours of one source, but for duplicates, which stand alone."""
    group = []
    for fields in lines:
        if group and (fields[0] != group[0][0] or "duplicate" in (fields[1], group[0][1])):
            yield group
            group = []
        group.append(fields)
    if group:
        yield group


def _without_repeats(group, header, seen):
    """A photo's lines, or the one line of a duplicate where it came before."""
    first = dict(zip(header, group[0], strict=True))
    said = seen.repeats(first[ledger.DIGEST], first["source"])
    if not said:
        return group
    kept = {"source", "photo_width", "photo_height", ledger.DIGEST}
    attributes = header[header.index(ledger.DIGEST) + 1 :]
    fields = {name: value for name, value in first.items() if name in kept or name in attributes}
    return [[{**fields, "status": "duplicate", "detail": said}.get(name, "") for name in header]]
