"""Faces on the command line, and their latents: numbers, rows of a file, photographs."""

import importlib
from pathlib import Path

from facegan.common import cli, generators, images, latents, provenance

import numpy as np


def parse(text):
    """Read a list of faces such as "1-25,30,me.jpg", or "@list.txt", a file with one of these a line.

    Returns:
        A list of int, and of `Path` for photographs.

    Raises:
        ValueError: an item is not valid; the message is one line that begins with it.
    """
    found = []
    for piece in _pieces(text):
        if not is_photograph(piece):
            found += latents.parse_faces(piece)
        elif Path(piece.strip()).is_file():
            found.append(Path(piece.strip()))
        else:
            raise ValueError(f"{piece.strip()}: no such photograph")
        if len(found) > latents.MOST_FACES:
            raise ValueError(f"more than {latents.MOST_FACES:,} faces; draw them in several runs")
    if not found:
        raise ValueError(f"{text}: names no faces")
    return found


def _pieces(text):
    """The items of a list, with those of the files that it names; only there a photograph's name may have commas."""
    for piece in text.split(","):
        if piece.strip().startswith("@"):
            listed = Path(piece.strip()[1:]).read_text(encoding="utf-8", errors="surrogateescape")
            yield from (line for line in listed.split("\n") if line.strip())
        else:
            yield piece


def is_photograph(text):
    """Whether an item in a list of faces is a photograph, by its suffix."""
    return Path(text.strip()).suffix.lower() in images.PHOTO_SUFFIXES


def label(face):
    """A face's label in a picture: its number, or the photograph's name without its suffix."""
    return face.stem if isinstance(face, Path) else str(face)


def add_arguments(parser, group=None):
    """Add MODEL to a parser, and --latents and --truncation to one of its groups, as `open_source` expects them."""
    add_model(parser)
    group = group or parser
    group.add_argument("--latents", metavar="NPZ", help="take faces from this file; face 12 is its row 12")
    add_truncation(group, 1.0)
    provenance.add_argument(parser)


def add_model(parser):
    """Add MODEL, the generator to draw with."""
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="run folder or generator file (default: the bundled generator)"
    )


def add_truncation(parser, default):
    """Add --truncation, see `latents.truncate`."""
    parser.add_argument(
        "--truncation",
        type=cli.number(0, 100, above=True),
        default=default,
        metavar="PSI",
        help="multiply latents by PSI; below 1: typical faces, less variety",
    )


def open_source(options, chosen):
    """Check what the options of `add_arguments` name, before any work and without importing Keras.

    Args:
        options: the parsed arguments. chosen: every face asked for, numbers and photographs.

    Returns:
        A `Source`.

    Raises:
        UserError: MODEL does not exist, --latents cannot be read or lacks a face, or a photograph needs other rooms.
    """
    with cli.naming("MODEL"):
        generators.find_generator(options.model)
    latents_of_photos = photo_searcher(chosen)
    with cli.naming("--latents"):
        source = Source(options.latents, options.truncation, latents_of_photos)
        source.check(chosen)
    return source


def load_generator(options, source):
    """Load the generator that MODEL names, for the `source` from `open_source`, as a `generators.Generator`.

    Raises:
        UserError: it cannot be loaded, or the latents of --latents do not fit it.
    """
    with cli.naming("MODEL"):
        generator = generators.load_generator(options.model)
    with cli.naming("--latents"):
        source.check_generator(generator)
    return generator


def photo_searcher(faces):
    """The function that finds the latents of photographs, or None if there are none among these faces.

    It is `facegan.exploring.photo_latents.latents_of`, imported by name, since drawing without photographs needs no
    room but facegan/common.
    """
    if not any(isinstance(face, Path) for face in faces):
        return None
    cli.require_rooms(("exploring", "preparing", "metrics"), "using a photograph as a face")
    return importlib.import_module("facegan.exploring.photo_latents").latents_of


class Source:
    """Where latents come from: face numbers, the rows of a file, photographs.

    Args:
        path: a `latent_points.npz`, or None for numbered faces.
        truncation: a factor for every latent except those of photographs, see `latents.truncate`.
        latents_of_photos: a function (paths, generator, folder) → latents (n, latent_dim), see `photo_searcher`.

    Attributes:
        rows: the file's latents (n, latent_dim), or None.

    Raises:
        ValueError: the file cannot be used.
    """

    def __init__(self, path=None, truncation=1.0, latents_of_photos=None):
        self.path = path
        self.truncation = truncation
        self.latents_of_photos = latents_of_photos
        self.rows = None if path is None else latents.read_latents(path)

    def check(self, faces):
        """Raise ValueError if one of these faces is not in the file."""
        for face in faces:
            if self.rows is not None and not isinstance(face, Path) and face > len(self.rows):
                raise ValueError(f"{self.path}: has no row {face}; there are {len(self.rows)}, numbered from 1")

    def check_generator(self, generator):
        """Raise ValueError if the file's latents do not have the generator's length."""
        if self.rows is not None and self.rows.shape[1] != generator.latent_dim:
            raise ValueError(
                f"{self.path}: its rows have {self.rows.shape[1]} numbers, but {generator.path} takes "
                f"{generator.latent_dim}; name a file saved with this generator"
            )

    def latents_of(self, faces, generator, folder="."):
        """The latents (n, latent_dim) float32 of a list of faces.

        Args:
            faces: numbers and photographs. generator: a `generators.Generator`.
            folder: where `photo_latents.latents_of` writes the files of each photograph.
        """
        self.check(faces)
        found = np.empty((len(faces), generator.latent_dim), np.float32)
        is_photo = np.array([isinstance(face, Path) for face in faces], bool)
        numbers = [face for face in faces if not isinstance(face, Path)]
        numbered = generator.latents_of(numbers) if self.rows is None else self.rows[np.array(numbers, int) - 1]
        found[~is_photo] = latents.truncate(numbered, self.truncation)
        if is_photo.any():
            photos = [face for face in faces if isinstance(face, Path)]
            found[is_photo] = self.latents_of_photos(photos, generator, folder)
        return found
