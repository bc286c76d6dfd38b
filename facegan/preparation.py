"""From a photograph to rows of a data set: how faces are chosen and cut, and a photo prepared as a data set was."""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from facegan import crops, npz, photos

KEEP = ("best", "largest", "all")
CROPS = ("face", "centre")
ROOM = 12  # a face of a twelfth of a photo's shorter side still has all the pixels of the data set
PART = 96  # photos that one thread takes through the detector together
MOST_THREADS = 8
LEAST_SIDE = 1024  # of photos decoded at a reduced size
STATUSES = ("kept", "no face", "low confidence", "too small", "not frontal", "duplicate", "unreadable")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a data set is prepared; stored in its file, so that another photo can be prepared in the same way.

    Attributes:
        height, width: of the images. grey: one channel instead of three.
        crop: "face", or "centre" for the largest centred rectangle.
        keep: which of a photo's faces: "best" (most confident), "largest" or "all".
        min_confidence: 0..1. min_size: shorter side of a face's box in pixels of the photo. frontal: see
            `crops.frontality`. Faces below are left out.
        margin, align: see `crops.cut_face`.
        fast: find big faces on a reduced photo.
        drop_duplicates: leave out photos whose pixels have come before.
    """

    height: int = 80
    width: int = 80
    grey: bool = False
    crop: str = "face"
    keep: str = "best"
    min_confidence: float = 0.0
    min_size: int = 0
    frontal: float = 0.0
    margin: float = 0.0
    align: bool = False
    fast: bool = False
    drop_duplicates: bool = False

    @property
    def row_shape(self):
        return self.height, self.width, 1 if self.grey else 3


@dataclasses.dataclass
class Entry:
    """What became of a photo, or with keep "all" of one of its faces: a line of the csv and perhaps a row."""

    status: str
    detail: str = ""
    face: object = None
    box: tuple | None = None
    frontality: float | None = None
    pixels: np.ndarray | None = None


@dataclasses.dataclass
class Photo:
    """A photo on its way: read by `Preparer.read`, finished by `Preparer.finish`."""

    source: str
    pixels: np.ndarray | None = None
    size: tuple | None = None
    look: object = None
    digest: str = ""
    entries: list = dataclasses.field(default_factory=list)


class Preparer:
    """Prepares photos by one set of settings: `read` each (in any thread), then `finish` them together."""

    def __init__(self, settings):
        self.settings = settings
        self.detector = None
        self._threads = concurrent.futures.ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), "find")
        if settings.crop == "face":
            from facegan.detector import Detector

            smallest = settings.min_size or None
            self.detector = Detector(settings.keep == "all", smallest, settings.fast)

    def read(self, name, load):
        """Decode a photo and make it ready for the detector; `load()` returns its bytes."""
        settings = self.settings
        photo = Photo(name)
        try:
            enough = max(LEAST_SIDE, ROOM * max(settings.height, settings.width))
            photo.pixels, photo.size = photos.decode(load(), enough)
        except photos.UnreadableError as error:
            photo.entries.append(Entry("unreadable", str(error)))
            return photo
        if settings.drop_duplicates:
            shape = repr(photo.pixels.shape).encode()
            photo.digest = hashlib.blake2b(photo.pixels.tobytes() + shape, digest_size=16).hexdigest()
        if self.detector:
            photo.look = self.detector.look(photo.pixels)
        return photo

    def finish(self, batch):
        """Find, choose and cut the faces of photos that were read; fills in their entries and drops their pixels."""
        readable = [photo for photo in batch if photo.pixels is not None]
        if self.detector:
            readable.sort(key=lambda photo: self.detector.likeness(photo.look))
        parts = [readable[start : start + PART] for start in range(0, len(readable), PART)]
        list(self._threads.map(self._finish_part, parts))

    def _finish_part(self, readable):
        if self.detector:
            found = self.detector.search([photo.look for photo in readable])
            for photo, faces in zip(readable, found, strict=True):
                photo.entries = self._face_entries(photo, faces)
        else:
            for photo in readable:
                photo.entries = [Entry("kept", pixels=self._coloured(crops.cut_centre(photo.pixels, self._shape)))]
        for photo in readable:
            photo.pixels = photo.look = None

    @property
    def _shape(self):
        return self.settings.height, self.settings.width

    def _coloured(self, pixels):
        return crops.to_grey(pixels) if self.settings.grey else pixels

    def _face_entries(self, photo, faces):
        judged = [self._judge(photo, face) for face in faces]
        kept = [entry for entry in judged if entry.status == "kept"]
        if self.settings.keep == "all":
            chosen = judged
        elif self.settings.keep == "largest":
            chosen = sorted(kept, key=lambda entry: entry.box[2] * entry.box[3], reverse=True)[:1]
        else:
            chosen = kept[:1]
        chosen = chosen or judged[:1] or [Entry("no face")]
        for entry in chosen:
            if entry.status == "kept":
                face = self._in_decoded(photo, entry.face)
                cut = crops.cut_face(photo.pixels, face, self._shape, self.settings.margin, self.settings.align)
                entry.pixels = self._coloured(cut)
        return chosen

    def _judge(self, photo, face):
        """Decide about one face; its place is told in pixels of the full photo, though it may be decoded smaller."""
        decoded = photo.pixels.shape
        face = face.scaled(photo.size[1] / decoded[1], photo.size[0] / decoded[0])
        box = crops.box_in_photo(face.box, photo.size)
        frontality = crops.frontality(face.landmarks)
        if face.confidence < self.settings.min_confidence:
            status = "low confidence"
        elif min(box[2:]) < max(1, self.settings.min_size):
            status = "too small"
        elif frontality < self.settings.frontal:
            status = "not frontal"
        else:
            status = "kept"
        return Entry(status, face=face, box=box, frontality=frontality)

    def _in_decoded(self, photo, face):
        decoded = photo.pixels.shape
        return face.scaled(decoded[1] / photo.size[1], decoded[0] / photo.size[0])


def write_settings(settings, shard=None):
    """The settings as bytes, for the comment of the data set's file; `shard` is (number, of) or None."""
    record = {"facegan": "prepared faces", **dataclasses.asdict(settings)}
    if shard:
        record["shard"] = list(shard)
    return json.dumps(record, sort_keys=True).encode()


def read_settings(path):
    """Read how a data set was prepared.

    Returns:
        (settings, shard), the shard (number, of) or None for a whole data set.

    Raises:
        ValueError: the file does not say so, because something else wrote it.
    """
    try:
        record = json.loads(npz.read_comment(path))
        settings = settings_of(record)
        shard = tuple(record["shard"]) if "shard" in record else None
    except (ValueError, TypeError, AttributeError):
        raise ValueError(
            f"{path}: does not say how its photos were prepared; prepare_faces.py writes files that do"
        ) from None
    return settings, shard


def settings_of(record):
    """The settings in a dictionary that `write_settings` made; what else it holds is passed over."""
    names = {field.name for field in dataclasses.fields(Settings)}
    return Settings(**{name: value for name, value in record.items() if name in names})


def prepare_photo(path, settings):
    """Prepare one photograph exactly as the photos of a data set were.

    Args:
        path: the photo's file.
        settings: a `Settings`, such as `read_settings(data_path)[0]`.

    Returns:
        uint8 (height, width, 1 or 3): of several faces the one that "best" or "largest" keeps; with "all" the most
        confident.

    Raises:
        ValueError: in one line, why there is no face to be had.
    """
    path = Path(path)
    preparer = Preparer(settings)
    photo = preparer.read(path.name, lambda: photos.read_file(path))
    preparer.finish([photo])
    for entry in photo.entries:
        if entry.pixels is not None:
            return entry.pixels
    first = photo.entries[0]
    raise ValueError(f"{path}: {first.status}{': ' + first.detail if first.detail else ''}")
