"""The csv beside a data set: a line for each photo tried, or for each face of it. Standard library only."""

import csv
import io
from pathlib import Path

COLUMNS = [
    "source", "status", "row", "left", "top", "width", "height", "confidence", "frontality",
    *(f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy"),
    "photo_width", "photo_height", "detail",
]  # fmt: skip
DIGEST = "digest"


class Ledger:
    """Turns photos into lines.

    Args:
        digests: whether there is a column of fingerprints of the photos' pixels, for finding duplicates.
        attributes: an `Attributes` whose columns are carried along, or None.
    """

    def __init__(self, digests=False, attributes=None):
        self.attributes = attributes
        self.columns = [*COLUMNS, *([DIGEST] if digests else []), *(attributes.columns if attributes else [])]
        self._digests = digests

    def header(self):
        return line(self.columns)

    def lines(self, photo, row):
        """The lines of a `preparation.Photo` whose first kept face gets this row, as one text."""
        text = ""
        for entry in photo.entries:
            kept = entry.pixels is not None
            text += line(self._fields(photo, entry, row if kept else ""))
            row += kept
        return text

    def _fields(self, photo, entry, row):
        where = [""] * 16
        if entry.box:
            points = [f"{value:.1f}" for point in entry.face.landmarks for value in point]
            where = [*entry.box, f"{entry.face.confidence:.6f}", f"{entry.frontality:.3f}", *points]
        size = [photo.size[1], photo.size[0]] if photo.size else ["", ""]
        fields = [printable(photo.source), entry.status, row, *where, *size, printable(entry.detail)]
        if self._digests:
            fields.append(photo.digest)
        return fields + (self.attributes.of(photo.source) if self.attributes else [])


class Attributes:
    """A table of attributes of photos, such as CelebA's list_attr_celeba.txt or the same as .csv.

    The .txt has the number of photos in its first line, the names of the attributes in its second, then a photo's name
    and its values in each, between blanks. The .csv has a header; its first column is the photo's name.

    Attributes:
        columns: names of the attributes. missing: how many photos asked for are not in the table.
    """

    def __init__(self, path):
        lines = _text(path).splitlines()
        if Path(path).suffix.lower() == ".csv":
            rows = csv.reader(lines)
            self.columns = next(rows, [])[1:]
            self._values = {row[0]: tuple(row[1:]) for row in rows if row}
        else:
            start = 1 if lines and lines[0].strip().isdigit() else 0
            self.columns = lines[start].split() if len(lines) > start else []
            self._values = {fields[0]: tuple(fields[1:]) for fields in map(str.split, lines[start + 1 :]) if fields}
        wrong = next((name for name, values in self._values.items() if len(values) != len(self.columns)), None)
        if not self.columns or not self._values or wrong is not None:
            why = f"the line of {wrong} has another number of values than the header" if wrong else "no table"
            raise ValueError(f"{path}: is no list of attributes ({why}); CelebA's list_attr_celeba is one")
        self.missing = 0

    def of(self, source):
        """The values of a photo, found by its whole name or by the last part of it; empty texts where it has none."""
        values = self._values.get(source) or self._values.get(source.rsplit("/", 1)[-1])
        self.missing += values is None
        return list(values or [""] * len(self.columns))


def _text(path):
    try:
        return Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no text file") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None


def line(fields):
    """One line of csv, with its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()


def printable(text):
    """Names of files may hold bytes that are no text: these become \\x escapes, so that the csv is valid UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read(path):
    """Yield the lines of a csv as dictionaries."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
