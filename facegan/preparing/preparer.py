"""From a photograph to rows of a data set: which of its faces are kept, and how they are cut out."""

import concurrent.futures
import dataclasses
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path

from facegan.preparing import crops, photos
from facegan.preparing.detector import Detector, Face
from facegan.preparing.pyramid import Pyramid

import numpy as np

SIDES_PER_FACE = 12  # a face of a twelfth of a photo's shorter side still has all the pixels of the data set
LEAST_SIDE = 1024  # of photos decoded at a reduced size
PHOTOS_PER_TASK = 96  # that one thread takes through the detector together
MOST_THREADS = 8
STATUSES = (
    *("kept", "no face", "low confidence", "too small", "not frontal", "too little detail", "beyond the edge"),
    *("duplicate", "unreadable"),
)


class NoFaceError(ValueError):
    """In a photo no face was detected, or none was kept."""


@dataclasses.dataclass
class Entry:
    """What became of a photo, or of one of its faces with keep "all": a line of the csv and perhaps a row.

    Attributes:
        status: one of `STATUSES`. detail: more about it.
        face: in pixels of the whole photo, though it may have been decoded at a reduced size.
        box: (left, top, width, height), clamped to the photo. frontality: see `crops.frontality`.
        pixels: the row, uint8 (height, width, 1 or 3), if it was kept.
    """

    status: str
    detail: str = ""
    face: Face | None = None
    box: tuple[int, int, int, int] | None = None
    frontality: float | None = None
    pixels: np.ndarray | None = None


@dataclasses.dataclass
class Photo:
    """A photo being prepared: read by `Preparer.read`, finished by `Preparer.finish`.

    Attributes:
        source: its name. size: (height, width) of the whole photo.
        pixels, pyramid: the decoded photo, and its levels for the detector, until it is finished.
        digest: a fingerprint of the pixels, if duplicates are to be left out.
        entries: what became of it.
        load: a function that returns the bytes of its file.
    """

    source: str
    pixels: np.ndarray | None = None
    size: tuple[int, int] | None = None
    pyramid: Pyramid | None = None
    digest: str = ""
    entries: list[Entry] = dataclasses.field(default_factory=list)
    load: Callable[[], bytes] | None = None


class Preparer:
    """Prepares photos by one set of settings: `read` each of them, in any thread, then `finish` them together.

    Args:
        settings: a `Settings`.
        threads: how many threads detect faces; None takes one a processor, up to 8. More than one change how
            TensorFlow uses cores, see `Detector`.

    Raises:
        ValueError: as `detector.check_packages`, if faces are to be detected.
    """

    def __init__(self, settings, threads=None):
        threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
        self._settings = settings
        self._shape = settings.height, settings.width
        self._crop = {"shape": self._shape, "margin": settings.margin, "align": settings.align}
        self._threads = concurrent.futures.ThreadPoolExecutor(threads, "detect")
        self._detector = None
        if settings.crop == "face":
            smallest = settings.min_size or None
            self._detector = Detector(settings.keep == "all", smallest, settings.fast, in_threads=threads > 1)

    def read(self, name, load):
        """Decode a photo and build its pyramid; `load()` returns the bytes of its file. Returns a `Photo`."""
        photo = Photo(name, load=load)
        try:
            enough = max(LEAST_SIDE, SIDES_PER_FACE * max(self._shape))
            photo.pixels, photo.size = photos.decode(load(), enough)
        except photos.UnreadableError as error:
            photo.entries.append(Entry("unreadable", str(error)))
            return photo
        if self._settings.drop_duplicates:
            shape = repr(photo.pixels.shape).encode()
            photo.digest = hashlib.blake2b(photo.pixels.tobytes() + shape, digest_size=16).hexdigest()
        if self._detector:
            photo.pyramid = self._detector.build_pyramid(photo.pixels)
        return photo

    def finish(self, batch):
        """Detect, filter and cut the faces of photos that were read; fills in their entries and drops their pixels."""
        readable = [photo for photo in batch if photo.pixels is not None]
        if self._detector:
            readable.sort(key=lambda photo: photo.pyramid.canvas)  # photos of one canvas are searched together
        tasks = [readable[start : start + PHOTOS_PER_TASK] for start in range(0, len(readable), PHOTOS_PER_TASK)]
        list(self._threads.map(self._finish_task, tasks))

    def _finish_task(self, readable):
        if self._detector:
            detected = self._detector.detect_in_pyramids([photo.pyramid for photo in readable])
            for photo, faces in zip(readable, detected, strict=True):
                try:
                    photo.entries = self._face_entries(photo, faces)
                except photos.UnreadableError as error:  # when it was decoded again
                    photo.entries = [Entry("unreadable", str(error))]
        else:
            for photo in readable:
                photo.entries = [Entry("kept", pixels=self._coloured(crops.cut_centre(photo.pixels, self._shape)))]
        for photo in readable:
            photo.pixels = photo.pyramid = None

    def _face_entries(self, photo, faces):
        """The entries of a photo, given all faces in it from the most confident to the least."""
        entries = [self._filter(photo, face) for face in faces]
        kept = [entry for entry in entries if entry.status == "kept"]
        if self._settings.keep == "all":
            chosen = entries
        elif self._settings.keep == "largest":
            chosen = sorted(kept, key=lambda entry: entry.box[2] * entry.box[3], reverse=True)[:1]
        else:
            chosen = kept[:1]
        chosen = chosen or entries[:1] or [Entry("no face")]
        kept = [entry for entry in chosen if entry.status == "kept"]
        pixels = self._pixels_for(photo, kept)
        for entry in kept:
            entry.pixels = self._cut(photo, pixels, entry.face)
        return chosen

    def _filter(self, photo, face):
        """Decide whether a face, detected in the decoded photo, is kept; returns its entry without pixels."""
        height, width = photo.pixels.shape[:2]
        face = face.scaled(photo.size[1] / width, photo.size[0] / height)
        box = crops.box_in_photo(face.box, photo.size)
        frontality = crops.frontality(face.landmarks)
        if face.confidence < self._settings.min_confidence:
            status = "low confidence"
        elif min(box[2:]) < max(1, self._settings.min_size):
            status = "too small"
        elif frontality < self._settings.frontal:
            status = "not frontal"
        elif crops.detail(face, photo.size, **self._crop) < self._settings.min_detail:
            status = "too little detail"
        elif self._share_inside(face, photo.size) < self._settings.min_inside:
            status = "beyond the edge"
        else:
            status = "kept"
        return Entry(status, face=face, box=box, frontality=frontality)

    def _share_inside(self, face, size):
        if not (self._settings.align and self._settings.min_inside):  # boxes are clamped to the photo
            return 1.0
        return crops.share_inside(face.landmarks, size, self._shape, self._settings.margin)

    def _pixels_for(self, photo, kept):
        """The photo as decoded, or decoded larger if an aligned face would be enlarged for lack of pixels in it."""
        side, whole = min(photo.pixels.shape[:2]), min(photo.size)
        if side == whole or not self._settings.align:
            return photo.pixels
        details = [crops.detail(entry.face, photo.size, **self._crop) * side / whole for entry in kept]
        if min(details, default=1) >= 1:
            return photo.pixels
        return photos.decode(photo.load(), math.ceil(side / min(details)))[0]

    def _cut(self, photo, pixels, face):
        """Cut out a face detected in the decoded photo, from these `pixels` of it."""
        height, width = pixels.shape[:2]
        face = face.scaled(width / photo.size[1], height / photo.size[0])
        # Landmarks count from the first pixel's centre, which lies elsewhere in a photo of another size.
        first = np.array([width / photo.pixels.shape[1], height / photo.pixels.shape[0]]) / 2 - 0.5
        face = dataclasses.replace(face, landmarks=face.landmarks + first)
        return self._coloured(crops.cut_face(pixels, face, **self._crop))

    def _coloured(self, pixels):
        return crops.to_grey(pixels) if self._settings.grey else pixels


def first_kept(batch, count):
    """The finished photos of a batch up to its `count`th row; what follows in that photo is cut off."""
    for place, photo in enumerate(batch):
        for number, entry in enumerate(photo.entries, 1):
            count -= entry.pixels is not None
            if not count:
                photo.entries = photo.entries[:number]
                return batch[: place + 1]
    return batch


def prepare_photo(path, settings):
    """Prepare one photograph exactly as the photos of a data set were.

    Args:
        path: the photo's file.
        settings: a `Settings`, such as `read_settings(data_path)[0]`.

    Returns:
        uint8 (height, width, 1 or 3): of several faces the one that "best" or "largest" keeps; with "all" the most
        confident.

    Raises:
        NoFaceError: no face was detected, or none was kept.
        ValueError: the photo cannot be read, or a package is missing.
    """
    path = Path(path)
    preparer = Preparer(settings, threads=1)
    photo = preparer.read(path.name, lambda: photos.read_file(path))
    preparer.finish([photo])
    for entry in photo.entries:
        if entry.pixels is not None:
            return entry.pixels
    first = photo.entries[0]
    if first.status == "unreadable":
        raise ValueError(f"{path}: unreadable: {first.detail}")
    raise NoFaceError(f"{path}: {first.status}")
