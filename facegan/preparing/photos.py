"""Photographs in a folder, a .zip or a list of paths: their names and, one by one, their pixels. numpy and Pillow.

Nothing is unpacked: a member of an archive is read into memory, whatever path its name claims. A photo that cannot be
read raises `UnreadableError` with the reason and affects no other.
"""

import concurrent.futures
import functools
import io
import os
import stat
import warnings
import zipfile
import zlib
from pathlib import Path

from facegan.common.images import PHOTO_SUFFIXES

import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF")  # all are plain decoders
ORIENTATION = 0x0112  # tag of EXIF; values from 5 on swap height and width
TURNS = dict(enumerate((0, 3, 1, 5, 4, 6, 2), start=2))  # orientation to the Pillow transposition that undoes it
LARGEST_FILE = 1 << 28
LARGEST_PHOTO = 89_478_485  # pixels, Pillow's own limit: 256 MiB as RGB
LARGE_PHOTO = 1 << 24  # pixels
STRIP = 64  # rows of a reduced photo
PROBED = 1000  # lines of a list of which one must be an existing file: any text could be taken for a list
# Raised by Pillow's decoders for damaged and for hostile files.
DAMAGE = (OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError,
          SyntaxError, zlib.error)  # fmt: skip

# Pillow's warnings are settled here: too large a photo is refused below, and a damaged tag does no harm.
warnings.filterwarnings("ignore", module=r"PIL\.")


class UnreadableError(Exception):
    """A photo that cannot be read; the text says why."""


def open_source(path):
    """Open a folder, a .zip or a text file listing paths; returns a `Folder`, `Archive` or `PathList`.

    Raises:
        ValueError: in one line, why no photos can be read there.
    """
    path = Path(path)
    if path.is_char_device():  # such as /dev/zero, which has no end
        raise ValueError(f"{path}: is a device; name a folder, a .zip or a text file that lists photos")
    try:
        if path.is_dir():
            source = Folder(path)
        elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
            source = Archive(path)
        else:
            source = PathList(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not source.names:
        raise ValueError(f"{path}: has no pictures (no name ends in {', '.join(PHOTO_SUFFIXES)})")
    return source


def is_picture(name):
    """Whether a name looks like a photo's; the shadow files that macOS adds to archives and disks do not."""
    *folders, last = name.split("/")
    return last.lower().endswith(PHOTO_SUFFIXES) and not last.startswith("._") and "__MACOSX" not in folders


class Folder:
    """The pictures in a folder and its subfolders, by name; a folder reached twice through links is listed once."""

    def __init__(self, path):
        self.path = Path(path)
        self.names = sorted(_walk(self.path))

    def read(self, name):
        """Return the bytes of a photo, or raise `UnreadableError`."""
        return read_file(self.path / name)


class PathList:
    """The paths in a text file, one a line; relative ones start from the file's folder."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            text = self.path.read_text("utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise ValueError(f"{path}: is not a folder, a .zip or a text file that lists photos")
        self.names = [line.strip() for line in text.splitlines() if line.strip()]
        if self.names and not any(os.path.isfile(self.path.parent / name) for name in self.names[:PROBED]):  # noqa: PTH113
            raise ValueError(f"{path}: lists no photos: there is no file {self.names[0][:80]}")

    def read(self, name):
        return read_file(self.path.parent / name)


class Archive:
    """The pictures in a .zip, by name."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise ValueError(f"{path}: is not a complete .zip ({error}); download or copy it again") from None
        self._members = {member.filename: member for member in self._zip.infolist() if is_picture(member.filename)}
        self.names = sorted(self._members)
        if self.names and all(member.flag_bits & 1 for member in self._members.values()):
            raise ValueError(f"{path}: is encrypted; unpack it and name the folder")

    def read(self, name):
        member = self._members[name]
        if member.flag_bits & 1:
            raise UnreadableError("encrypted in the archive")
        if member.file_size > LARGEST_FILE:
            raise UnreadableError(f"file of {member.file_size >> 20} MB")
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise UnreadableError(f"damaged in the archive: {error}") from None


def _walk(root):
    """Yield the names of pictures below a folder, with / between folders, and of folders that cannot be listed.

    NAME.png beside NAME.npz is not a photograph but the preview of a data set.
    """
    seen = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            status = (root / folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name, reverse=True)
        except OSError:
            if not folder:
                raise
            yield folder
            continue
        data_sets = {entry.name.removesuffix(".npz") for entry in entries if entry.name.endswith(".npz")}
        for entry in entries:
            if _is_folder(entry):
                waiting.append(f"{folder}{entry.name}/")
            elif is_picture(folder + entry.name) and entry.name.removesuffix(".png") not in data_sets:
                yield folder + entry.name


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # links that form a circle
        return False


def read_file(path):
    """Return the bytes of a regular file, a `Path`, or raise `UnreadableError`; pipes are never waited for."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableError("is a folder, or one that cannot be listed")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("is not a regular file")
        if status.st_size > LARGEST_FILE:
            raise UnreadableError(f"file of {status.st_size >> 20} MB")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None


def decode(data, enough=None):
    """Decode a photo, upright and in RGB.

    Args:
        data: the bytes of its file.
        enough: a length; a photo whose sides are at least twice as long is reduced by a whole factor (a JPEG while
            it is decoded, by a power of two, which is faster), its shorter side not below this length.

    Returns:
        (pixels, size): pixels uint8 (height, width, 3), transparent parts white, the first frame of an animation;
        and the upright (height, width) of the whole photo.

    Raises:
        UnreadableError: with the reason. More than `LARGEST_PHOTO` pixels are refused before decoding.
    """
    if not data:
        raise UnreadableError("empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
        width, height = image.size
        if width * height > LARGEST_PHOTO:
            raise UnreadableError(f"decompression bomb: {width}x{height} pixels")
        if enough and min(width, height) >= 2 * enough:
            image.draft("RGB", _drafted(image.size, enough))
        if image.width * image.height > LARGE_PHOTO:
            return _large_photos_thread().submit(lambda: _upright(image, enough, width, height)).result()
        return _upright(image, enough, width, height)
    except UnidentifiedImageError:
        raise UnreadableError("not a picture of a known format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(f"decompression bomb: {error}") from None
    except MemoryError:
        raise UnreadableError("too large for the memory") from None
    except DAMAGE as error:
        raise UnreadableError(f"damaged: {error}".splitlines()[0]) from None


@functools.cache
def _large_photos_thread():
    """One thread for all large photos: they are decoded one at a time, each in the memory that the last one freed."""
    return concurrent.futures.ThreadPoolExecutor(1, "large photos")


def _upright(image, enough, width, height):
    factor = min(image.size) // enough if enough else 1
    upright = _reduced(image, factor) if factor > 1 else _to_rgb(image)
    orientation = _orientation(image)
    if orientation > 1:
        upright = upright.transpose(TURNS[orientation])
    return np.asarray(upright), (width, height) if orientation >= 5 else (height, width)


def _orientation(image):
    value = image.getexif().get(ORIENTATION, 1)
    return value if value in TURNS else 1


def _reduced(image, factor):
    """Average blocks of pixels, strip by strip, so that there is never more than one whole copy of a large photo."""
    reduced = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, reduced.height, STRIP):
        bottom = min((top + STRIP) * factor, image.height)
        strip = _to_rgb(image.crop((0, top * factor, image.width, bottom)))
        reduced.paste(strip.reduce(factor), (0, top))
    return reduced


@functools.cache
def _formats():
    """Those of `FORMATS` that this Pillow can read."""
    Image.init()
    return tuple(form for form in FORMATS if form in Image.OPEN)


def _drafted(size, enough):
    factor = 1
    while factor < 8 and min(size) >= 2 * factor * enough:
        factor *= 2
    return size[0] // factor, size[1] // factor


def _to_rgb(image):
    """Convert any mode to RGB: 16 bits lose the lower 8, transparent parts turn white."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
