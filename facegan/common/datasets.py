"""Data sets of images: .npz files, memory-mapped where possible, or sets that Keras downloads. numpy only.

A .npz is a zip archive of .npy members. prepare_faces.py stores one member without compression, so that training can
memory-map it; compressed files are read into memory. Pickles are refused.
"""

import ast
import json
import math
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

BLOCK = 1 << 22
NAMED = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}  # shape of their images
# Raised when a damaged or hostile zip archive is read, beside OSError and ValueError.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, struct.error, MemoryError)
PREFERRED = ("arr_0", "x_train")


def read_comment(path):
    """Read the comment of a zip archive as bytes; empty if there is none, or if the path is not a zip file."""
    try:
        if not Path(path).is_file():
            return b""
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (OSError, zipfile.BadZipFile):
        return b""


class NpyHeader(NamedTuple):
    """The header of a .npy array: its shape, its memory order ("C" or "F") and its dtype."""

    shape: tuple
    order: str
    dtype: np.dtype

    @property
    def size(self):
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def open_array(path, verified=False):
    """Open the array of a .npz: `arr_0`, else `x_train`, else the only one in it.

    Args:
        path: a .npz file; an uncompressed array is memory-mapped, read-only, and a compressed one is read.
        verified: read it in any case, which checks its checksum.

    Returns:
        (name, array), with a name such as "arr_0".

    Raises:
        ValueError: the file is missing, not a zip, truncated or damaged, or it holds a pickle or several arrays under
            other names.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # reading a pipe may never end
            raise ValueError(f"{path}: is not a file; name a .npz file")
        with zipfile.ZipFile(path) as archive:
            member = _choose(path, archive)
            with archive.open(member) as stream:
                header = _read_npy_header(path, stream)
                if member.compress_type == zipfile.ZIP_STORED and not verified:
                    return member.filename[:-4], _map(path, _member_start(path, member) + stream.tell(), header)
                return member.filename[:-4], _read(path, stream, header)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    except DAMAGE as error:
        raise ValueError(f"{path}: is not a complete .npz file ({error})") from None


def open_pixels(path, may_be_empty=False):
    """Open a data set of images: uint8 (n, height, width, channels), channels 1 or 3; 3-D arrays are grey.

    Raises:
        ValueError: as for `open_array`, or the array has another type or shape, or is empty and must not be.
    """
    name, array = open_array(path)
    if array.dtype != np.uint8:
        raise ValueError(f"{path}: {name} is {array.dtype}, not uint8 pixels")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:] or not (may_be_empty or len(array)):
        raise ValueError(f"{path}: {name} has shape {array.shape}, not (n, height, width, 1 or 3) with n 1 or more")
    return array


def _choose(path, archive):
    members = {member.filename[:-4]: member for member in archive.infolist() if member.filename.endswith(".npy")}
    for name in PREFERRED:
        if name in members:
            return members[name]
    if len(members) != 1:
        held = ", ".join(sorted(members)[:5]) or "nothing"
        raise ValueError(f"{path}: has no array arr_0 or x_train (it holds {held})")
    return next(iter(members.values()))


def _read_npy_header(path, stream):
    """Read a `NpyHeader`; it is parsed as a literal, so that no code in a file is ever run."""
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise ValueError(f"{path}: its member is not a .npy array")
    length = struct.unpack("<H", stream.read(2))[0] if magic[6] == 1 else struct.unpack("<I", stream.read(4))[0]
    if length > BLOCK:
        raise ValueError(f"{path}: its array header is damaged ({length} bytes long)")
    try:
        header = ast.literal_eval(stream.read(length).decode("latin1"))
        shape, fortran, dtype = tuple(header["shape"]), bool(header["fortran_order"]), np.dtype(header["descr"])
        if not all(type(extent) is int and extent >= 0 for extent in shape):  # True is an int as well
            raise ValueError("negative extent")
    except (SyntaxError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"{path}: its array header is damaged") from None
    if dtype.hasobject:
        raise ValueError(f"{path}: holds pickled objects, which could run code when loaded; only plain arrays are read")
    return NpyHeader(shape, "F" if fortran else "C", dtype)


def _member_start(path, member):
    """The offset of a member's data; its local header may have other extra fields than the zip's directory."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name, extra = struct.unpack("<26x2H", file.read(30))
    return member.header_offset + 30 + name + extra


def _map(path, start, header):
    if start + header.size > path.stat().st_size:
        raise ValueError(f"{path}: is cut short; its array of shape {header.shape} is larger than the file")
    if 0 in header.shape:
        return np.zeros(header.shape, header.dtype)
    return np.memmap(path, header.dtype, mode="r", offset=start, shape=header.shape, order=header.order)


def _read(path, stream, header):
    """Read a compressed array into memory, in blocks: a header may claim more data than there is."""
    data = bytearray()
    while len(data) < header.size and (block := stream.read(min(BLOCK, header.size - len(data)))):
        data += block
    if len(data) < header.size:
        raise ValueError(f"{path}: is cut short; its array of shape {header.shape} is incomplete")
    return np.frombuffer(data, header.dtype).reshape(header.shape, order=header.order)


def save_arrays(file, **arrays):
    """Write arrays by name into an open file as `np.savez` does, but the same bytes at any time.

    Where the clock is wrong and shows a year before 1980, `np.savez` raises an error.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def preparation_record(path):
    """The dictionary in which prepare_faces.py recorded how it made a data set; {} for other data sets."""
    try:
        record = json.loads(read_comment(path))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def paths_of(source):
    """The list of the paths that a data set consists of, or of its one name; `source` is one of them or a list."""
    return [source] if isinstance(source, str | os.PathLike) else list(source)


def shared_record(source):
    """The record that all files of a data set have but for their number; {} if they differ or are not files.

    Args:
        source: as for `load_images`.
    """
    records = [preparation_record(path) for path in paths_of(source)]
    for record in records:
        record.pop("shard", None)
    return records[0] if all(record == records[0] for record in records) else {}


def is_named(source):
    """Whether a data set is one of those that Keras downloads."""
    paths = paths_of(source)
    return len(paths) == 1 and str(paths[0]) in NAMED


def load_images(source):
    """Open a data set by path or name.

    Args:
        source: a .npz file, a list of them, or "mnist" or "cifar10", which Keras downloads once and caches. Several
            files are one data set, in the order given; all shards of one set are put in their own order, in which they
            hold the same images as the merged file.

    Returns:
        (pixels, fingerprint): pixels uint8 (n, height, width, channels), memory-mapped if the file is uncompressed; the
        fingerprint is a string that changes when any byte of the images does. Of several files, pixels are a
        `Concatenation`.

    Raises:
        ValueError: there is no such file or name, it is not a set of images, or the download failed.
    """
    paths = paths_of(source)
    if is_named(source):
        pixels = _download(str(paths[0]))
        return pixels, _fingerprint(pixels, zlib.crc32(np.ascontiguousarray(pixels)))
    paths = _in_order(paths)
    opened = [_open_file(path, may_be_empty=len(paths) > 1) for path in paths]
    parts, checksums = zip(*opened, strict=True)
    if len(parts) == 1:
        return parts[0], _fingerprint(parts[0], checksums[0])
    for path, pixels in zip(paths, parts, strict=True):
        if pixels.shape[1:] != parts[0].shape[1:]:
            this, first = ("x".join(map(str, array.shape[1:])) for array in (pixels, parts[0]))
            raise ValueError(f"{path}: its images are {this}, those of {paths[0]} {first}")
    pixels = Concatenation(parts)
    if not len(pixels):
        raise ValueError(f"{paths[0]}: holds no images, nor do the other files")
    return pixels, _fingerprint(pixels, zlib.crc32(repr(checksums).encode()))


def _in_order(paths):
    """The files of a data set in order, each once.

    Raises:
        ValueError: a file is named twice.
    """
    resolved = [Path(path).resolve() for path in paths]
    for number, path in enumerate(paths):
        if resolved[number] in resolved[:number]:
            raise ValueError(f"{path}: is named twice")
    shards = {path: preparation_record(path).get("shard") for path in paths}
    return sorted(paths, key=shards.get) if all(shards.values()) else paths


def _open_file(path, may_be_empty):
    """Open one file of a data set; returns its pixels and a checksum."""
    path = Path(path)
    if not path.is_file():
        named = " or ".join(NAMED)
        raise ValueError(f"{path}: no such file; name a .npz that prepare_faces.py made, or {named}")
    try:
        pixels = open_pixels(path, may_be_empty)
    except ValueError as error:
        raise ValueError(f"{error}; prepare_faces.py makes suitable files") from None
    # The archive holds its members' checksums: no need to read gigabytes at every start.
    with zipfile.ZipFile(path) as archive:
        members = sorted((member.filename, member.CRC) for member in archive.infolist())
    return pixels, zlib.crc32(repr(members).encode())


class Concatenation:
    """Arrays of images one behind the other, of which rows are read where they are.

    Args:
        arrays: of shapes (n, height, width, channels) that differ only in n.
    """

    def __init__(self, arrays):
        self.arrays = arrays
        self.starts = np.cumsum([0, *map(len, arrays)])
        self.shape = int(self.starts[-1]), *arrays[0].shape[1:]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """The images (k, height, width, channels) of k rows, an array of numbers from 0; or of a slice, or one row."""
        if isinstance(rows, slice):
            rows = np.arange(len(self))[rows]
        rows = np.asarray(rows)
        if rows.ndim == 0:
            return self[rows[None]][0]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        places = np.searchsorted(self.starts, rows, side="right") - 1
        for place in np.unique(places):
            here = places == place
            images[here] = self.arrays[place][rows[here] - self.starts[place]]
        return images


def load_or_patches(source):
    """As `load_images`, but where mnist or cifar10 cannot be downloaded, patches of a photograph of the same shape.

    Returns:
        pixels only, uint8 (n, height, width, channels); a line on standard error says that they are patches.
    """
    try:
        return load_images(source)[0]
    except ValueError as error:
        if source not in NAMED:
            raise
        print(f"{error}\nHere it is replaced by patches of a photograph.", file=sys.stderr)
        return photograph_patches(2000, NAMED[source])


def photograph_patches(count, shape, seed=1):
    """Random patches of the photograph that matplotlib ships, uint8 (count, height, width, channels).

    Grey patches are cut from its edges: light strokes on black, as digits are.
    """
    import matplotlib.cbook
    from PIL import Image, ImageFilter

    height, width, channels = shape
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file, Image.open(file) as photograph:
        edges = photograph.convert("L").filter(ImageFilter.FIND_EDGES)
        pixels = np.asarray(edges if channels == 1 else photograph.convert("RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], channels)
    random = np.random.default_rng(seed)
    tops, lefts = (
        random.integers(side - part, size=count) for side, part in ((pixels.shape[0], height), (pixels.shape[1], width))
    )
    return np.stack([pixels[t : t + height, x : x + width] for t, x in zip(tops, lefts, strict=True)])


def _fingerprint(pixels, checksum):
    return "x".join(map(str, pixels.shape)) + f"-{checksum:08x}"


def _download(name):
    import keras

    try:
        (pixels, _), _ = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises bare Exception for a failed download
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ValueError(
            f"{name}: its download failed ({reason}); give a .npz of images instead, or download it on a machine "
            "with internet access and copy the folder ~/.keras/datasets"
        ) from None
    return pixels[..., None] if pixels.ndim == 3 else pixels
