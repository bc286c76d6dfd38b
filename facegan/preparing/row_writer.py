"""Writing a data set row by row, as a .npz file whose number of rows is known only at the end. numpy only.

A .npz is a zip archive of .npy members. This one has a single member, uncompressed, with its first pixel at a fixed
offset: rows can be appended before the headers are known, and training can map them into memory. The fields are those
of numpy.lib.format and of the ZIP application note (section 4.3).
"""

import contextlib
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

MEMBER = "arr_0.npy"
NPY_HEADER = 128
DATA_OFFSET = 192
DATE_1980 = 0x21  # 1 January 1980 in a zip's fields: the same pixels give the same bytes on any day
ZIP64 = 45  # version of the zip format with sizes above 4 GiB
BLOCK = 1 << 22


class RowWriter(contextlib.AbstractContextManager):
    """Appends rows to a file that `finish` turns into a .npz holding `arr_0` uint8 (rows, *row_shape).

    Until then the file is not a .npz. To resume an unfinished file, or even a finished one, open it with the number of
    `rows` known to be good: whatever follows them is cut off.

    Args:
        path: the file, preferably a temporary name to be changed after `finish`.
        row_shape: shape of a row, such as (80, 80, 3).
        rows: how many rows the file holds already.

    Raises:
        ValueError: the file holds fewer rows than `rows`.
    """

    def __init__(self, path, row_shape, rows=0):
        self.row_shape = tuple(row_shape)
        self.rows = rows
        self.row_bytes = math.prod(self.row_shape)
        self._file = Path(path).open("rb+" if rows else "wb+", buffering=0)  # noqa: SIM115 (closed by `close`)
        end = DATA_OFFSET + rows * self.row_bytes
        if rows and os.fstat(self._file.fileno()).st_size < end:
            self._file.close()
            raise ValueError(f"{path}: holds fewer than {rows} rows")
        self._file.truncate(end)
        self._file.seek(end)

    def write(self, pixels):
        """Append pixels uint8 (n, *row_shape)."""
        if pixels.dtype != np.uint8 or pixels.shape[1:] != self.row_shape:
            raise ValueError(f"rows are uint8 {self.row_shape}, not {pixels.dtype} {pixels.shape[1:]}")
        self._write(np.ascontiguousarray(pixels).reshape(-1).data)
        self.rows += len(pixels)

    def sync(self):
        """Flush all rows written so far to the disk."""
        os.fsync(self._file.fileno())

    def finish(self, comment=b""):
        """Write the headers in front of the rows, and after them the archive's directory, which ends in `comment`."""
        header = _npy_header((self.rows, *self.row_shape))
        size = NPY_HEADER + self.rows * self.row_bytes
        checksum = zlib.crc32(header)
        self._file.seek(DATA_OFFSET)
        while block := self._file.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
        directory = self._file.tell()
        self._write(_directory(checksum, size, directory, comment))
        self._file.seek(0)
        self._write(_local_header(checksum, size) + header)
        self.sync()

    def _write(self, data):
        """Write all of `data`, unbuffered: what a buffer holds when the disk is full would be lost silently."""
        data = memoryview(data)
        while data:
            data = data[self._file.write(data) :]

    def close(self):
        self._file.close()

    def __exit__(self, *exception):
        self.close()


def _npy_header(shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape!r}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", NPY_HEADER - 10) + text.ljust(NPY_HEADER - 11).encode() + b"\n"


def _local_header(checksum, size):
    """The 64 bytes in front of the member; an empty extra field pads them, so that pixels start at byte 192."""
    sizes = struct.pack("<HHQQ", 1, 16, size, size)
    padding = struct.pack("<HHx", 0xD935, 1)
    fixed = struct.pack(
        "<4s5H3L2H", b"PK\3\4", ZIP64, 0, 0, 0, DATE_1980, checksum, 0xFFFFFFFF, 0xFFFFFFFF, len(MEMBER), 25
    )
    return fixed + MEMBER.encode() + sizes + padding


def _directory(checksum, size, offset, comment):
    """The archive's directory: its one entry, the 64-bit end record with its locator, and the end record."""
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", ZIP64, ZIP64, 0, 0, 0, DATE_1980, checksum, 0xFFFFFFFF, 0xFFFFFFFF,
                        len(MEMBER), len(extra), 0, 0, 0, 0o600 << 16, 0)  # fmt: skip
    entry += MEMBER.encode() + extra
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, ZIP64, ZIP64, 0, 0, 1, 1, len(entry), offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + len(entry), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), 0xFFFFFFFF, len(comment))
    return entry + end64 + locator + end + comment
