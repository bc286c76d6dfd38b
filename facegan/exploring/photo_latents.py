"""The latents of photographs: each photo is prepared like the training data and reconstructed, and the latent saved."""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

from facegan.common import cli, datasets, files, generators, images, latents
from facegan.exploring import inversion
from facegan.preparing import crops, photos, preparer
from facegan.preparing.settings import Settings, settings_of

import numpy as np

VERSION = b"1"  # raise it when inversion would give other latents
GOOD, POOR = 12.0, 35.0  # errors out of 255; one in between is good if it is at most
CLEARLY_SMALLER = 0.85  # times that of the closest random face


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photograph, its prepared pixels (height, width, channels) uint8, and where its latent will be kept."""

    path: Path
    latent_path: Path
    pixels: np.ndarray
    is_face: bool


def latents_of(paths, generator, folder):
    """The latents of photographs, computed now or read from the files of an earlier run.

    Writes for each photograph NAME-KEY.latent.npz, a `latent_points.npz` of one row, and NAME-KEY.photo.png, the
    prepared photo beside its reconstruction. The key changes with the photo and with the generator.

    Args:
        paths: the photos. generator: a `generators.Generator`. folder: where these files go.

    Returns:
        latents (n, latent_dim) float32.

    Raises:
        UserError: a photo cannot be read, or has no face although the training data was cropped to faces.
    """
    with cli.naming("photograph"):
        latent_paths = {path: _latent_path(path, generator, folder) for path in paths}
        unknown = [path for path, latent_path in latent_paths.items() if not latent_path.is_file()]
        photographs = [Photo(path, latent_paths[path], *prepared(path, generator)) for path in unknown]
    for is_face in (True, False):
        group = [photo for photo in photographs if photo.is_face == is_face]
        if group:
            print(f"reconstructing {', '.join(str(photo.path) for photo in group)}", file=sys.stderr)
            _reconstruct(group, is_face, generator)
    return np.concatenate([latents.read_latents(latent_paths[path]) for path in paths])


def _reconstruct(photographs, is_face, generator):
    """Compute photos' latents, print how close each reconstruction is, and write the two files of each."""
    pixels = np.stack([photo.pixels for photo in photographs])
    points, errors, random_errors = inversion.invert(generator, pixels, is_face)
    pairs = images.as_shown(np.stack([pixels, generator.draw(points)], axis=1), generator.inverted)
    for photo, latent, pair, error, random_error in zip(photographs, points, pairs, errors, random_errors, strict=True):
        poor = error > GOOD and (error > POOR or error > CLEARLY_SMALLER * random_error)
        closeness = f"error {error:.1f} of 255 (closest random face {random_error:.1f})"
        print(f"{photo.path}: {closeness}{'; this generator cannot draw it' if poor else ''}", file=sys.stderr)
        picture = images.grid(pair, 2, ["photo", f"error {error:.1f}"])
        with files.atomic_path(photo.latent_path.with_suffix("").with_suffix(".photo.png")) as temporary:
            picture.save(temporary, format="PNG")
        with files.atomic_write(photo.latent_path) as file:
            datasets.save_arrays(file, arr_0=latent[None])


def _latent_path(path, generator, folder):
    key = hashlib.sha256(VERSION + generator.fingerprint.encode() + path.read_bytes()).hexdigest()[:10]
    return Path(folder) / f"{path.stem}-{key}.latent.npz"


def prepared(path, generator):
    """Prepare a photo as the generator's training data was prepared.

    Returns:
        (pixels (height, width, channels) uint8, whether it shows a face). A picture that already has the generator's
        size is used as it is. If it is not known how the data was prepared, a photo without a face is cropped to its
        centre.

    Raises:
        ValueError: the photo cannot be read, or has no face although the training data was cropped to faces.
    """
    try:
        decoded, _ = photos.decode(photos.read_file(path))
    except photos.UnreadableError as error:
        raise ValueError(f"{path}: unreadable: {error}; name another photo") from None
    if decoded.shape[:2] == (generator.height, generator.width):
        return crops.to_grey(decoded) if generator.channels == 1 else decoded, True
    settings, known = _settings(generator)
    try:
        return preparer.prepare_photo(path, settings), settings.crop == "face"
    except preparer.NoFaceError as error:
        if known:
            raise ValueError(f"{error}; name another photo") from None
    return preparer.prepare_photo(path, dataclasses.replace(settings, crop="centre")), False


def _settings(generator):
    """How the generator's data was prepared, from its file or else its run folder, and whether this is known."""
    size = {"height": generator.height, "width": generator.width, "grey": generator.channels == 1}
    try:
        record = generators.read_notes(generator.path).get("prepared")
        if not record:
            config = json.loads((generator.path.parent / "config.json").read_text(encoding="utf-8"))
            record = datasets.shared_record(config["data"])
        return dataclasses.replace(settings_of(record), **size), bool(record)
    except (OSError, ValueError, KeyError, TypeError):
        return Settings(**size), False
