"""What stands for a face on the command line, and the latent it means: a number, or a row of a file of latents."""

from facegan import latents
from facegan.commands import UserError


def parse(text):
    """Read a list of faces such as "1-25,30" for argparse; ValueError in one line."""
    return latents.parse_faces(text)


class Source:
    """Where latents come from: face numbers, or the rows of the file that --latents names.

    Args:
        path: a `latent_points.npz`, or None for numbered faces.

    Raises:
        UserError: the file cannot be used.
    """

    def __init__(self, path=None):
        self.path = path
        try:
            self.rows = None if path is None else latents.read_latents(path)
        except ValueError as error:
            raise UserError(f"--latents {path}: {error}") from None

    def check(self, faces, option="--faces"):
        """Raise UserError where a face is asked for that the file does not have."""
        if self.rows is not None:
            try:
                latents.rows_of(self.rows, faces)
            except ValueError as error:
                raise UserError(f"{option}: in --latents {self.path} {error}") from None

    def latents_of(self, faces, generator):
        """The latents (n, latent_dim) float32 of a list of faces for a `runs.Generator`."""
        if self.rows is None:
            return latents.latents_of_faces(faces, generator.latent_dim, generator.distribution)
        if self.rows.shape[1] != generator.latent_dim:
            raise UserError(
                f"--latents {self.path}: rows of {self.rows.shape[1]} numbers, but {generator.path} takes "
                f"{generator.latent_dim}; name the file saved with this generator"
            )
        return latents.rows_of(self.rows, faces)
