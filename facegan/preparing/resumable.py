"""Preparations that can be resumed: rows, csv and a journal in a folder beside the output.

A batch counts once its line in the journal is complete, and that line is written after the batch's rows and csv have
reached the disk. Whatever is found beyond the last complete line is cut off, so that an interrupted run ends in the
same bytes as an uninterrupted one.
"""

import collections
import contextlib
import json
import os
import shutil
from pathlib import Path

from facegan.common import files
from facegan.preparing.row_writer import RowWriter

FINISHING = "finishing"


class ResumablePreparation(contextlib.AbstractContextManager):
    """The unfinished preparation of one output file; a context manager.

    Args:
        out: the .npz to be written, a Path; the folder is NAME.partial beside it.
        plan: all that determines the result, a dictionary of plain JSON; the work is resumed only by the same plan.
        row_shape: shape of a row. header: the first line of the csv, text.
        start_again: discard an unfinished preparation by another plan.

    Attributes:
        photos: how many photos are done. counts: how many lines of the csv have each status, a `Counter`.
        csv_path: the csv so far.

    Raises:
        ValueError: another process prepares this output, or an unfinished preparation has another plan.
        WriteError: a file cannot be written, for instance because the disk is full; so do `add` and `finish`. What was
            added before is kept.
    """

    def __init__(self, out, plan, *, row_shape, header, start_again=False):
        self.out, self._folder = Path(out), folder_of(out)
        self.csv_path = self._folder / "photos.csv"
        self.photos, self.counts = 0, collections.Counter()
        with self._explained():
            self._folder.mkdir(exist_ok=True)
            with contextlib.ExitStack() as stack:
                stack.enter_context(files.lock(self._folder))
                records = _complete_records(self._folder / "journal")
                if records and records[0] != plan:
                    if not start_again:
                        raise ValueError(self._difference(plan, records[0]))
                    records = []
                self._open(stack, plan, records, row_shape, header)
                self._opened = stack.pop_all()

    @property
    def rows(self):
        """How many rows are written."""
        return self._rows.rows

    def add(self, photos, rows, lines, statuses):
        """Append a batch: its number of photos, arrays of rows, lines of csv as text, and the status of each line."""
        with self._explained():
            for row in rows:
                self._rows.write(row[None])
            self._rows.sync()
            _append(self._csv, lines.encode())
            self.photos += photos
            self.counts.update(statuses)
            self._record_state()

    def finish(self, comment, save_preview):
        """Put csv, preview and data set in their places.

        Args:
            comment: bytes for the data set's file.
            save_preview: a function of the path of the finished rows and of a path to write a PNG to.
        """
        with self._explained():
            self._rows.finish(comment)
            with files.atomic_path(self._folder / FINISHING):
                pass
            with files.atomic_path(self.out.with_suffix(".png")) as temporary:
                save_preview(self._folder / "rows", temporary)
            with files.atomic_path(self.out.with_suffix(".csv")) as temporary:
                shutil.copyfile(self.csv_path, temporary)
            for file in (self._rows, self._csv, self._journal):
                file.close()
            (self._folder / "rows").replace(self.out)
        remove_finished(self.out)

    def __exit__(self, *exception):
        self._opened.close()

    def _difference(self, plan, other):
        differing = ", ".join(sorted(key for key in {**plan, **other} if plan.get(key) != other.get(key)))
        return (
            f"{self.out}: {self._folder} holds an unfinished preparation with another {differing}; "
            "repeat that command to finish it, or choose to overwrite it"
        )

    def _open(self, stack, plan, records, row_shape, header):
        """Open the files behind the state in the last record, or anew if there is none; `stack` will close them."""
        journal = self._folder / "journal"
        state = records[-1] if len(records) > 1 else {"photos": 0, "rows": 0, "csv": 0, "counts": {}}
        if len(records) < 2:
            records = []
            for old in (journal, self._folder / FINISHING):
                old.unlink(missing_ok=True)
        self._rows = stack.enter_context(RowWriter(self._folder / "rows", row_shape, state["rows"]))
        self._csv = stack.enter_context(_reopen(self.csv_path, state["csv"]))
        self._journal = stack.enter_context(_reopen(journal, sum(len(_encoded(record)) for record in records)))
        self.photos, self.counts = state["photos"], collections.Counter(state["counts"])
        if not records:
            _append(self._csv, header.encode())
            _append(self._journal, _encoded(plan))
            self._record_state()

    def _record_state(self):
        state = {"photos": self.photos, "rows": self.rows, "csv": self._csv.tell(), "counts": dict(self.counts)}
        _append(self._journal, _encoded(state))

    def _explained(self):
        return files.explained(self.out, before=f"{self.photos:,} photos are safe; ")


def is_finishing(out):
    """Whether a preparation was interrupted while it put its files in place: those beside `out` may be its own."""
    return (folder_of(out) / FINISHING).exists()


def remove_finished(out):
    """Remove the folder of a preparation that had put its last file in place; returns whether there was one."""
    folder = folder_of(out)
    if not is_finishing(out) or (folder / "rows").exists():
        return False
    for path in sorted(folder.iterdir(), key=lambda path: path.name == FINISHING):
        path.unlink()
    folder.rmdir()
    return True


def folder_of(out):
    """The folder of an output's unfinished preparation."""
    return Path(out).with_suffix(".partial")


def _encoded(record):
    return json.dumps(record, sort_keys=True).encode() + b"\n"


def _complete_records(path):
    """The records of a journal up to the first line that is not complete."""
    records = []
    for text in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        try:
            record = json.loads(text)
        except ValueError:
            break
        if _encoded(record) != text:
            break
        records.append(record)
    return records


def _reopen(path, length):
    """Open a file for appending after its first `length` bytes, cutting off the rest."""
    file = path.open("ab", buffering=0)
    file.truncate(length)
    return file


def _append(file, data):
    data = memoryview(data)
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())
