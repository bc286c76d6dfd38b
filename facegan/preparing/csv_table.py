"""The csv beside a data set, called its manifest: a line for each photo tried, or for each face of it."""

import csv
import io
from pathlib import Path

from facegan.common import files
from facegan.preparing.detector import LANDMARKS
from facegan.preparing.preparer import Entry

import numpy as np

LANDMARK_COLUMNS = [f"{point}_{axis}" for point in LANDMARKS for axis in "xy"]
COLUMNS = [
    *("source", "status", "row", "left", "top", "width", "height", "confidence", "frontality"),
    *LANDMARK_COLUMNS,
    *("photo_width", "photo_height", "detail"),
]
DIGEST = "digest"
TEXTS = ("source", "detail")  # columns of texts that come from outside
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


class Manifest:
    """Writes the lines of a manifest.

    Args:
        digests: whether it has a column of fingerprints of the photos' pixels, by which duplicates are recognised.
        attributes: a `celeba.Attributes` whose columns are appended, or None.

    Raises:
        ValueError: a column of the attributes has the name of another column.
    """

    def __init__(self, digests=False, attributes=None):
        self.attributes = attributes
        self.columns = [*COLUMNS, *([DIGEST] if digests else []), *(attributes.columns if attributes else [])]
        self._digests = digests
        repeated = next((name for name in self.columns if self.columns.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"{attributes.path}: the column {repeated!r} appears twice; rename one")

    def header(self):
        """The first line, as text."""
        return to_text(self.columns, [dict(zip(self.columns, self.columns, strict=True))])

    def lines(self, photos, row):
        """The lines of some `preparer.Photo`s, as one text; the first face kept among them gets the number `row`."""
        lines = []
        for photo in photos:
            for entry in photo.entries:
                lines.append(self._line(photo, entry))
                if entry.pixels is not None:
                    lines[-1]["row"] = row
                    row += 1
        return to_text(self.columns, lines)

    def _line(self, photo, entry):
        line = {
            "source": files.printable(photo.source),
            "status": entry.status,
            "detail": files.printable(entry.detail),
        }
        if entry.box:
            line.update(zip(("left", "top", "width", "height"), entry.box, strict=True))
            line.update(confidence=f"{entry.face.confidence:.6f}", frontality=f"{entry.frontality:.3f}")
            points = (f"{value:.1f}" for point in entry.face.landmarks for value in point)
            line.update(zip(LANDMARK_COLUMNS, points, strict=True))
        if photo.size:
            line["photo_height"], line["photo_width"] = photo.size
        if self._digests:
            line[DIGEST] = photo.digest
        if self.attributes:
            line.update(self.attributes.of(photo.source))
        return line


def to_text(columns, lines):
    """Lines, dictionaries by column, as the text of a csv; what they lack stays empty."""
    text = io.StringIO()
    quoted = ({**line, **{name: _quoted(line[name]) for name in TEXTS if name in line}} for line in lines)
    csv.DictWriter(text, columns, lineterminator="\n").writerows(quoted)
    return text.getvalue()


def _quoted(text):
    """A text that no spreadsheet takes for a formula, as OWASP's "CSV injection" advises: with an apostrophe before."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def read(path):
    """Yield the lines of a manifest as dictionaries of texts.

    Raises:
        ValueError: it is not a csv.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        try:
            for line in reader:
                yield {**line, **{name: unquoted(line[name]) for name in TEXTS if line.get(name)}}
        except csv.Error as error:
            raise ValueError(f"{path}: line {reader.line_num}: {error}") from None


def unquoted(text):
    """The text of a field of `TEXTS` as it was before it was written."""
    return text.removeprefix("'")


def landmarks_and_size(line):
    """The landmarks (5, 2) of a line's face and the (height, width) of its photo."""
    landmarks = np.array([float(line[column]) for column in LANDMARK_COLUMNS]).reshape(-1, 2)
    return landmarks, (int(line["photo_height"]), int(line["photo_width"]))


class DuplicateFinder:
    """Recognises photos whose pixels equal those of an earlier one.

    Args:
        lines: dictionaries with "source" and "digest" of photos already prepared, such as `read` yields.
    """

    def __init__(self, lines=()):
        self._sources = {}
        for line in lines:
            self.detail(line[DIGEST], line["source"])

    def detail(self, digest, source):
        """Remember a photo; returns what the manifest says about a duplicate, else an empty text."""
        if digest in self._sources:
            return f"same pixels as {self._sources[digest]}"
        if digest:
            self._sources[digest] = source
        return ""

    def mark(self, photos):
        """Replace the entries of the `preparer.Photo`s that are duplicates."""
        for photo in photos:
            if detail := self.detail(photo.digest, files.printable(photo.source)):
                photo.entries = [Entry("duplicate", detail)]
