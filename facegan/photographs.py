"""A photograph where a face is asked for: prepared like the training data, placed in the latent space, remembered."""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import numpy

from facegan import commands, crops, files, images, inversion, latents, photos, preparation, runs

VERSION = b"1"  # to be raised when another search would find other latents
WELL = 12.0  # an error in levels of 255 that is good by itself
POOR = 35.0  # one that no eye would call a likeness
BETTER = 0.85  # and the share of the closest random face's error that a likeness stays below


def latents_of(paths, generator, folder):
    """The latents of photographs, found now or read from where an earlier run left them.

    Writes for each NAME-KEY.latent.npz, a `latent_points.npz` of one row, and NAME-KEY.photo.png, the photo as the
    generator's data would have it beside its reconstruction; the key changes with the photo and with the generator.

    Args:
        paths: the photos. generator: a `runs.Generator`. folder: where these files go.

    Returns:
        latents (n, latent_dim) float32.

    Raises:
        UserError: a photo cannot be read, or has no face though the training data was cut to faces.
    """
    stored = {path: _stored(path, generator, folder) for path in paths}
    missing = [path for path in stored if not stored[path].is_file()]
    ready = {path: prepared(path, generator) for path in missing}
    for is_face in (True, False):
        group = [path for path in missing if ready[path][1] == is_face]
        if group:
            print(f"searching for {', '.join(map(str, group))} in the latent space", file=sys.stderr)
            pixels = numpy.stack([ready[path][0] for path in group])
            search(group, pixels, is_face, generator, stored)
    return numpy.concatenate([latents.read_latents(stored[path]) for path in paths])


def search(paths, pixels, is_face, generator, stored):
    """Find photos' latents, say how well each photo is met, and write its two files."""
    found, errors, by_chance = inversion.invert(generator, pixels, is_face)
    shown = images.shown(numpy.stack([pixels, generator.draw(found)], axis=1), generator.pixel_range)
    for path, latent, pair, error, chance in zip(paths, found, shown, errors, by_chance, strict=True):
        poor = error > WELL and (error > POOR or error > BETTER * chance)
        verdict = "; this generator cannot express it" if poor else ""
        print(f"{path}: error {error:.1f} of 255 (closest random face {chance:.1f}){verdict}", file=sys.stderr)
        picture = images.grid(pair, 2, ["photo", f"error {error:.1f}"])
        with files.whole_path(stored[path].with_suffix("").with_suffix(".photo.png")) as temporary:
            picture.save(temporary, format="PNG")
        with files.whole_file(stored[path]) as file:
            numpy.savez(file, latent[None])


def _stored(path, generator, folder):
    try:
        content = path.read_bytes()
    except OSError as error:
        raise commands.UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    key = hashlib.sha256(VERSION + generator.fingerprint.encode() + content).hexdigest()[:10]
    return Path(folder) / f"{path.stem}-{key}.latent.npz"


def prepared(path, generator):
    """A photo as the generator's training data would have it.

    Returns:
        (pixels (height, width, channels) uint8, whether it was cut to a face). A picture that has the generator's size
        already is taken as it is; where nothing is known of the data and there is no face, the centre is taken.
    """
    try:
        decoded, _ = photos.decode(photos.read_file(path))
    except photos.UnreadableError as error:
        raise commands.UserError(f"{path}: unreadable: {error}; name another photo") from None
    if decoded.shape[:2] == (generator.height, generator.width):
        return crops.to_grey(decoded) if generator.channels == 1 else decoded, True
    settings, known = _settings(generator)
    try:
        return preparation.prepare_photo(path, settings), settings.crop == "face"
    except ValueError as error:
        if known or "no face" not in str(error):
            raise commands.UserError(f"{error}; name another photo") from None
    return preparation.prepare_photo(path, dataclasses.replace(settings, crop="centre")), False


def _settings(generator):
    """How the generator's data was prepared, as its file or else its run folder tells, and whether that is known."""
    size = {"height": generator.height, "width": generator.width, "grey": generator.channels == 1}
    try:
        record = runs.read_notes(generator.path).get("prepared")
        if record:
            return dataclasses.replace(preparation.settings_of(record), **size), True
        config = json.loads((generator.path.parent / "config.json").read_text(encoding="utf-8"))
        return dataclasses.replace(preparation.read_settings(config["data"])[0], **size), True
    except (OSError, ValueError, KeyError, TypeError):
        return preparation.Settings(**size), False
