"""Unfinished preparations: rows, csv and a journal in a folder beside the output, from which the work goes on.

A batch counts when its line in the journal is whole, and that line is written when rows and csv of the batch have
reached the disk. What is found beyond the last whole line is cut off, so that an interrupted run ends in the same
bytes as one that was not.
"""

import collections
import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

from facegan.commands import UserError
from facegan.files import held, whole_path
from facegan.npz import RowWriter

FINISHING = "finishing"
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class Partial:
    """The unfinished preparation of one output file.

    Args:
        out: the .npz to be, a Path; the folder is NAME.partial beside it.
        plan: a dictionary of all that decides about the result; an unfinished preparation by another plan is refused.
        row_shape: of the rows. header: first line of the csv, text.
        start_again: throw an unfinished preparation by another plan away.

    Attributes:
        photos: how many photos are done. counts: a `Counter` of statuses, lines of the csv.
    """

    def __init__(self, out, plan, row_shape, header, start_again=False):
        self.out, self.folder = Path(out), folder_of(out)
        self.photos, self.counts = 0, collections.Counter()
        with self._explained():
            self.folder.mkdir(exist_ok=True)
            with contextlib.ExitStack() as hold:
                hold.enter_context(held(self.folder, f"--out {self.out}: is being prepared"))
                self._open(plan, row_shape, header.encode(), start_again)
                self._hold = hold.pop_all()

    @property
    def rows(self):
        return self._rows.rows

    @property
    def csv_path(self):
        return self.folder / "photos.csv"

    def add(self, photos, rows, text, statuses):
        """Append a batch: its number of photos, arrays of rows, lines of csv as text, and the status of each line."""
        with self._explained():
            for row in rows:
                self._rows.write(row[None])
            self._rows.sync()
            _append(self._csv, text.encode())
            self.photos += photos
            self.counts.update(statuses)
            self._note()

    def finish(self, comment, save_preview):
        """Put csv, preview and data set in their places.

        Args:
            comment: bytes for the data set's file. save_preview: a function of the path of the finished rows and of a
                path to write a PNG to.
        """
        with self._explained():
            self._rows.finish(comment)
            with whole_path(self.folder / FINISHING):
                pass
            with whole_path(self.out.with_suffix(".png")) as temporary:
                save_preview(self.folder / "rows", temporary)
            with whole_path(self.out.with_suffix(".csv")) as temporary:
                shutil.copyfile(self.csv_path, temporary)
            self.close()
            (self.folder / "rows").replace(self.out)
        sweep(self.out)

    def close(self):
        for file in (self._rows, self._csv, self._journal):
            file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
        self._hold.close()

    def _open(self, plan, row_shape, header, start_again):
        path = self.folder / "journal"
        lines = _whole_lines(path)
        if lines and lines[0] != plan and not start_again:
            differing = ", ".join(sorted(key for key in {**plan, **lines[0]} if plan.get(key) != lines[0].get(key)))
            raise UserError(
                f"--out {self.out}: an unfinished preparation with another {differing} lies in {self.folder}; "
                "repeat that command to finish it, or add --overwrite to start again"
            )
        state = lines[-1] if len(lines) > 1 and lines[0] == plan else None
        if state is None:
            for old in (path, self.folder / FINISHING):
                old.unlink(missing_ok=True)
        rows, csv_bytes = (state["rows"], state["csv"]) if state else (0, 0)
        self._rows = RowWriter(self.folder / "rows", row_shape, rows)
        self._csv = _reopen(self.csv_path, csv_bytes)
        self._journal = _reopen(path, sum(len(_encoded(line)) for line in lines) if state else 0)
        if state:
            self.photos, self.counts = state["photos"], collections.Counter(state["counts"])
        else:
            _append(self._csv, header)
            _append(self._journal, _encoded(plan))
            self._note()

    def _note(self):
        state = {"photos": self.photos, "rows": self.rows, "csv": self._csv.tell(), "counts": dict(self.counts)}
        _append(self._journal, _encoded(state))

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except OSError as error:
            reason = "the disk is full" if error.errno in FULL else error.strerror or str(error)
            raise UserError(
                f"--out {self.out}: {reason} after {self.photos} photos; "
                "make room and run the same command to go on where it stopped"
            ) from None


def finishing(out):
    """Whether an interrupted preparation had begun to put its files in place: those beside `out` may be its own."""
    return (folder_of(out) / FINISHING).exists()


def sweep(out):
    """Remove the folder of a preparation that had put its last file in place; returns whether there was one."""
    folder = folder_of(out)
    if not finishing(out) or (folder / "rows").exists():
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


def _whole_lines(path):
    """The records of a journal up to the first line that is not whole."""
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
    """Open a file for appending behind its first `length` bytes, cutting the rest off."""
    file = path.open("ab", buffering=0)
    file.truncate(length)
    return file


def _append(file, data):
    data = memoryview(data)
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())
