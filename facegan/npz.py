"""Data sets in .npz files: written row by row, read by mapping them into memory. numpy only.

A .npz is a zip archive of .npy members. Ours holds one member, stored without compression and with its first pixel at
a fixed offset, so that rows can be appended while the number of rows is still unknown, and so that training can map
them. The format's fields are those of numpy.lib.format and of the ZIP application note (section 4.3).
"""

import ast
import json
import math
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

MEMBER = "arr_0.npy"
NPY_HEADER = 128
DATA_OFFSET = 192
DATE_1980 = 0x21  # 1 January 1980 in a zip's fields: the same pixels give the same bytes on any day
ZIP64 = 45  # version of the zip format that knows sizes above 4 GiB
BLOCK = 1 << 22
PREFERRED = ("arr_0", "x_train")


class RowWriter:
    """Appends rows to a file that `finish` turns into a .npz holding `arr_0` uint8 (rows, *row_shape).

    Until then the file is not a .npz. To go on with an unfinished or even a finished one, open it again with the number
    of `rows` known to be good: what follows them is cut off.

    Args:
        path: the file, best a temporary name that is renamed after `finish`.
        row_shape: shape of a row, such as (80, 80, 3).
        rows: how many rows are in the file already.

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
        """Bring all rows written so far to the disk."""
        os.fsync(self._file.fileno())

    def finish(self, comment=b""):
        """Write the headers before the rows, and behind them the archive's directory with a comment of bytes."""
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
        """Write all of `data` without a buffer: what is in a buffer when the disk is full would be lost unsaid."""
        data = memoryview(data)
        while data:
            data = data[self._file.write(data) :]

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _npy_header(shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape!r}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", NPY_HEADER - 10) + text.ljust(NPY_HEADER - 11).encode() + b"\n"


def _local_header(checksum, size):
    """The 64 bytes in front of the member; an empty field of the zip pads them, so that pixels start at 192."""
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


def read_comment(path):
    """Read the comment, bytes, that `RowWriter.finish` was given; empty where there is none or no .npz."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (OSError, zipfile.BadZipFile):
        return b""


def how_prepared(path):
    """What prepare_faces.py wrote into a data set about its making, a dictionary; {} for those of other origins."""
    try:
        record = json.loads(read_comment(path))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def open_array(path):
    """Open the array of a .npz: `arr_0`, else `x_train`, else the only one in it.

    Args:
        path: a .npz file, stored (then the array is mapped into memory, read-only) or compressed (then it is read).

    Returns:
        (name, array), the name such as "arr_0".

    Raises:
        ValueError: in one line, what is wrong with the file: missing, no zip, cut short, damaged, a pickle, several
            arrays of other names.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            member = _choose(path, archive)
            with archive.open(member) as stream:
                shape, fortran, dtype = _read_npy_header(path, stream)
                if member.compress_type == zipfile.ZIP_STORED:
                    start = _member_start(path, member) + stream.tell()
                    return member.filename[:-4], _map(path, start, shape, fortran, dtype)
                array = _read(path, stream, shape, fortran, dtype)
                return member.filename[:-4], array
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, struct.error) as error:
        raise ValueError(f"{path}: is no whole .npz file ({error})") from None


def open_pixels(path):
    """Open a data set of pictures: uint8 (n, height, width, channels), channels 1 or 3; 3-D arrays are grey.

    Raises:
        ValueError: as `open_array`, and for an array of another type or shape, or without a row.
    """
    name, array = open_array(path)
    if array.dtype != np.uint8:
        raise ValueError(f"{path}: {name} is {array.dtype}, not uint8 pixels")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"{path}: {name} has shape {array.shape}, not (n, height, width, 1 or 3) with n at least 1")
    return array


def _choose(path, archive):
    members = {member.filename[:-4]: member for member in archive.infolist() if member.filename.endswith(".npy")}
    for name in PREFERRED:
        if name in members:
            return members[name]
    if len(members) != 1:
        held = ", ".join(sorted(members)[:5]) or "nothing"
        raise ValueError(f"{path}: holds no arr_0 or x_train array (it holds {held})")
    return next(iter(members.values()))


def _read_npy_header(path, stream):
    """Read shape, order and type; parsed as a literal, so that nothing in a file is ever run."""
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise ValueError(f"{path}: its member is no .npy array")
    length = struct.unpack("<H", stream.read(2))[0] if magic[6] == 1 else struct.unpack("<I", stream.read(4))[0]
    if length > BLOCK:
        raise ValueError(f"{path}: its array header is {length} bytes long, which cannot be")
    try:
        header = ast.literal_eval(stream.read(length).decode("latin1"))
        shape, fortran, dtype = tuple(header["shape"]), bool(header["fortran_order"]), np.dtype(header["descr"])
        if not all(isinstance(extent, int) and extent >= 0 for extent in shape):
            raise ValueError("negative extent")
    except (SyntaxError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: its array header is damaged") from None
    if dtype.hasobject:
        raise ValueError(f"{path}: holds pickled objects, which could run code when loaded; only plain arrays are read")
    return shape, fortran, dtype


def _member_start(path, member):
    """Find where a member's bytes start: its local header repeats the name and may have other extra fields."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name, extra = struct.unpack("<26x2H", file.read(30))
    return member.header_offset + 30 + name + extra


def _map(path, start, shape, fortran, dtype):
    if start + math.prod(shape) * dtype.itemsize > path.stat().st_size:
        raise ValueError(f"{path}: is cut short; its array of shape {shape} does not fit in the file")
    order = "F" if fortran else "C"
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, order)


def _read(path, stream, shape, fortran, dtype):
    """Read a compressed array into memory, in blocks: a header may claim more than the member holds."""
    wanted = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) < wanted and (block := stream.read(min(BLOCK, wanted - len(data)))):
        data += block
    if len(data) < wanted:
        raise ValueError(f"{path}: is cut short; its array of shape {shape} is not all there")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
