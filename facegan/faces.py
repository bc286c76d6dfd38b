"""What stands for a face on the command line, and the latent it means: a number, or a row of a file of latents."""

from pathlib import Path

from facegan import commands, latents

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")


def parse(text):
    """Read a list of faces such as "1-25,30" for argparse; ValueError in one line."""
    return latents.parse_faces(text)


def is_photograph(text):
    """Whether a piece of a list of faces names a photograph."""
    return Path(text).suffix.lower() in PHOTOGRAPHS


def add_arguments(parser):
    """Add what every script that draws takes: MODEL, --latents, --spread."""
    parser.add_argument("model", metavar="MODEL", help="a run folder or a generator file")
    parser.add_argument("--latents", metavar="NPZ", help="take the faces from this file: face 12 is its row 12")
    parser.add_argument(
        "--spread",
        type=commands.number(0, 100, above=True),
        default=1.0,
        metavar="X",
        help="below 1 draws tamer faces, above 1 odder ones: every latent times X (default 1)",
    )


class Source:
    """Where latents come from: face numbers, or the rows of the file that --latents names.

    Args:
        path: a `latent_points.npz`, or None for numbered faces.
        spread: every latent is multiplied by it, see `latents.spread`.

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
                latents.rows_of(self.rows, faces)
            except ValueError as error:
                raise commands.UserError(f"{option}: in --latents {self.path} {error}") from None

    def latents_of(self, faces, generator):
        """The latents (n, latent_dim) float32 of a list of faces for a `runs.Generator`."""
        if self.rows is None:
            found = latents.latents_of_faces(faces, generator.latent_dim, generator.distribution)
        elif self.rows.shape[1] == generator.latent_dim:
            found = latents.rows_of(self.rows, faces)
        else:
            raise commands.UserError(
                f"--latents {self.path}: rows of {self.rows.shape[1]} numbers, but {generator.path} takes "
                f"{generator.latent_dim}; name the file saved with this generator"
            )
        return latents.spread(found, self.spread)
