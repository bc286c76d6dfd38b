"""What stands for a face on the command line, and the latent it means: a number, a row of a file, or a photograph."""

from pathlib import Path

import numpy

from facegan import commands, latents

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")


def parse(text):
    """Read a list of faces such as "1-25,30,me.jpg".

    Returns:
        A list of int, and of `Path` for photographs.

    Raises:
        ValueError: in one line, which piece is wrong.
    """
    found = []
    for piece in text.split(","):
        if not is_photograph(piece):
            found += latents.parse_faces(piece)
        elif Path(piece.strip()).is_file():
            found.append(Path(piece.strip()))
        else:
            raise ValueError(f"{piece.strip()}: no such photograph")
        if len(found) > latents.MOST_FACES:
            raise ValueError(f"more than {latents.MOST_FACES:,} faces; draw them in several runs")
    return found


def is_photograph(text):
    """Whether a piece of a list of faces names a photograph."""
    return Path(text.strip()).suffix.lower() in PHOTOGRAPHS


def label(face):
    """What stands under a face in a picture: its number, or the photograph's name without its ending."""
    return face.stem if isinstance(face, Path) else str(face)


def add_arguments(parser):
    """Add what every script that draws takes: MODEL, --latents, --spread."""
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a run folder or a generator file (default: the shipped generator)"
    )
    parser.add_argument("--latents", metavar="NPZ", help="take the faces from this file: face 12 is its row 12")
    parser.add_argument(
        "--spread",
        type=commands.number(0, 100, above=True),
        default=1.0,
        metavar="X",
        help="below 1 draws tamer faces, above 1 odder ones: every latent times X (default 1)",
    )


class Source:
    """Where latents come from: face numbers, the rows of the file that --latents names, photographs.

    Args:
        path: a `latent_points.npz`, or None for numbered faces.
        spread: every latent but a photograph's is multiplied by it, see `latents.spread`.

    Raises:
        UserError: the file cannot be used.
    """

    def __init__(self, path=None, spread=1.0):
        self.path = path
        self.spread = spread
        try:
            self.rows = None if path is None else latents.read_latents(path)
        except ValueError as error:
            raise commands.UserError(f"--latents {path}: {error}") from None

    def check(self, faces, option="--faces"):
        """Raise UserError where a face is asked for that the file does not have."""
        if self.rows is not None:
            try:
                latents.rows_of(self.rows, [face for face in faces if not isinstance(face, Path)])
            except ValueError as error:
                raise commands.UserError(f"{option}: in --latents {self.path} {error}") from None

    def latents_of(self, faces, generator, folder="."):
        """The latents (n, latent_dim) float32 of a list of faces.

        Args:
            faces: numbers and photographs. generator: a `runs.Generator`.
            folder: where the latents of photographs are kept, see `photographs.latents_of`.
        """
        found = numpy.empty((len(faces), generator.latent_dim), numpy.float32)
        is_photo = numpy.array([isinstance(face, Path) for face in faces], bool)
        found[~is_photo] = self._of_numbers([face for face in faces if not isinstance(face, Path)], generator)
        if is_photo.any():
            from facegan import photographs

            paths = [face for face in faces if isinstance(face, Path)]
            found[is_photo] = photographs.latents_of(paths, generator, folder)
        return found

    def _of_numbers(self, numbers, generator):
        if self.rows is None:
            found = latents.latents_of_faces(numbers, generator.latent_dim, generator.distribution)
        elif self.rows.shape[1] == generator.latent_dim:
            found = latents.rows_of(self.rows, numbers)
        else:
            raise commands.UserError(
                f"--latents {self.path}: rows of {self.rows.shape[1]} numbers, but {generator.path} takes "
                f"{generator.latent_dim}; name the file saved with this generator"
            )
        return latents.spread(found, self.spread)
