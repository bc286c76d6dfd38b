"""Directions in the latent space along which one attribute of the faces grows: found, saved, read. numpy only."""

import dataclasses
import zipfile
from pathlib import Path

import numpy

from facegan import files

RIDGE = 0.01  # share of the faces; latents have deviation 1 or a little less
FEWEST_EXPLAINED = 0.02  # share of the variation below which a direction is chance
LONGEST = 0.4  # of a latent's length: a step of strength 1 is never longer


@dataclasses.dataclass(frozen=True)
class Direction:
    """A step through the latent space.

    Attributes:
        step: (latent_dim,) float32, what strength 1 adds to a latent.
        fingerprint: of the generator that it belongs to.
    """

    step: numpy.ndarray
    fingerprint: str


def fit(latents, values):
    """Find the direction along which a measured value grows: linear regression of the values on the latents.

    Args:
        latents: (n, latent_dim). values: (n,) measured on the images of these latents.

    Returns:
        step: (latent_dim,) float32, of such a length that it raises the expected value by one standard deviation.

    Raises:
        ValueError: the values do not follow the latents.
    """
    latents, values = numpy.asarray(latents, numpy.float64), numpy.asarray(values, numpy.float64)
    deviation = values.std()
    if not deviation > 0:
        raise ValueError("is the same in all faces")
    square = latents.T @ latents + RIDGE * len(latents) * numpy.eye(latents.shape[1])
    slope = numpy.linalg.solve(square, latents.T @ (values - values.mean()) / deviation)
    length = min(1 / numpy.linalg.norm(slope), LONGEST * numpy.linalg.norm(latents, axis=1).mean())
    return (slope / numpy.linalg.norm(slope) * length).astype(numpy.float32)


def explained(step, latents, values):
    """The share of the variation of values (n,) that their latents' component along `step` accounts for, 0..1."""
    along = numpy.asarray(latents, numpy.float64) @ step
    return float(numpy.corrcoef(along, values)[0, 1] ** 2)


def save(direction, path):
    """Write a direction as .npz: arr_0 the step, fingerprint the generator's."""
    with files.whole_file(path) as file:
        numpy.savez(file, direction.step, fingerprint=numpy.array(direction.fingerprint))


def read(path):
    """Read a direction that `save` wrote.

    Raises:
        ValueError: in one line, why the file is none.
    """
    try:
        with Path(path).open("rb") as file, numpy.load(file, allow_pickle=False) as members:
            step, fingerprint = members["arr_0"], str(members["fingerprint"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, zipfile.BadZipFile):
        raise ValueError("is no saved direction; --save-direction writes such files") from None
    if step.ndim != 1 or step.dtype.kind != "f" or not numpy.isfinite(step).all():
        raise ValueError(f"holds {step.dtype} {step.shape}, not the numbers of a direction")
    return Direction(step.astype(numpy.float32), fingerprint)
