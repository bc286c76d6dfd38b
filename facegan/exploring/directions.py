"""Directions in the latent space along which an attribute of the faces grows: fit, save, read. numpy only."""

import dataclasses
import zipfile
from pathlib import Path

from facegan.common import files

import numpy as np

ATTRIBUTES = ("smile", "turn", "nod", "tilt", "brightness")  # what `direction_search.measure` measures
RIDGE = 0.01  # penalty per face; a latent's numbers have a standard deviation of 1 or a little less
LONGEST = 0.4  # times a typical latent's length: a step of strength 1 is never longer


@dataclasses.dataclass(frozen=True)
class Direction:
    """A step through the latent space.

    Attributes:
        step: (latent_dim,) float32, what strength 1 adds to a latent.
        fingerprint: of the generator that it belongs to.
    """

    step: np.ndarray
    fingerprint: str


def ridge_regression(features, targets, penalty):
    """The weights of a linear map from features to targets that minimise its squared error plus their own squares.

    Args:
        features: (n, features), with mean 0. targets: (n,) or (n, targets). penalty: the weight per row of the squares.

    Returns:
        (features,) or (features, targets): `features @ weights` approximates the targets.
    """
    square = features.T @ features + penalty * len(features) * np.eye(features.shape[1])
    return np.linalg.solve(square, features.T @ targets)


def fit(latents, values):
    """Fit the direction along which a measured value grows: linear regression of the values on the latents.

    Args:
        latents: (n, latent_dim). values: (n,) measured on the images of these latents, not all the same.

    Returns:
        step: (latent_dim,) float32, long enough to raise the expected value by one standard deviation, but never
        longer than `LONGEST`.

    Raises:
        ValueError: the values are all the same.
    """
    latents, values = np.asarray(latents, np.float64), np.asarray(values, np.float64)
    deviation = values.std()
    if not deviation > 0:
        raise ValueError("values: are all the same, so no direction changes them")
    slope = ridge_regression(latents, values - values.mean(), RIDGE) / deviation
    length = min(1 / np.linalg.norm(slope), LONGEST * np.linalg.norm(latents, axis=1).mean())
    return (slope / np.linalg.norm(slope) * length).astype(np.float32)


def explained(step, latents, values):
    """The share, 0..1, of the variance of values (n,) that their latents' component along `step` accounts for."""
    along = np.asarray(latents, np.float64) @ step
    return float(np.corrcoef(along, values)[0, 1] ** 2)


def save(direction, path):
    """Write a direction as .npz: arr_0 is the step, fingerprint the generator's."""
    with files.atomic_write(path) as file:
        np.savez(file, direction.step, fingerprint=np.array(direction.fingerprint))


def read(path):
    """Read a direction that `save` wrote.

    Raises:
        ValueError: the file is missing or is not a direction.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as members:
            step, fingerprint = members["arr_0"], str(members["fingerprint"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, zipfile.BadZipFile):
        raise ValueError(f"{path}: is not a saved direction; name a file that vector_arithmetic.py saved") from None
    if step.ndim != 1 or step.dtype.kind != "f" or not np.isfinite(step).all():
        raise ValueError(f"{path}: holds {step.dtype} {step.shape}, not the numbers of a direction")
    return Direction(step.astype(np.float32), fingerprint)
