"""Directions in the latent space: fit to an attribute, or found in the generator's weights; save, read. numpy only."""

import dataclasses
import re
from pathlib import Path

from facegan.common import datasets, files

import numpy as np

ATTRIBUTES = ("smile", "turn", "nod", "tilt", "brightness")  # what `direction_search.measure` measures
RIDGE = 0.01  # penalty per face; a latent's numbers have a standard deviation of 1 or a little less
LONGEST = 0.4  # times a typical latent's length: a step of strength 1 is never longer
AUTO_STEP = 2.0  # standard deviations of the latents that a step of an unsupervised direction adds
_AUTO = re.compile(r"auto([1-9]\d{0,5})")


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


def unsupervised(generator, count):
    """The directions that move a generator's first layer most: the eigenvectors of its weights (SeFa).

    Where several layers take the latent, they count as one.

    Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs". No face is drawn or measured.

    Args:
        generator: a `generators.Generator`. count: how many, at most its latent_dim.

    Returns:
        steps: (count, latent_dim) float32, what strength 1 of each adds to a latent, all of one length; the direction
        that moves the layer most comes first.
        shares: (count,) of the layer's variance over random latents, from 0 to 1.

    Raises:
        ValueError: the generator has fewer directions, or does not begin with a layer of weights for each number.
    """
    kernels = _first_kernels(generator.network)
    size = generator.latent_dim
    if any(kernel.ndim != 2 or len(kernel) != size for kernel in kernels):
        raise ValueError(f"{generator.path}: does not begin with a Dense layer, so it has no unsupervised directions")
    if count > size:
        raise ValueError(f"auto{count}: there are only auto1 to auto{size}")
    energies, vectors = np.linalg.eigh(
        sum(kernel @ kernel.T for kernel in kernels)
    )  # in ascending order, one vector a column
    units = vectors.T[::-1][:count]
    # The sign of an eigenvector is arbitrary: make its largest number positive.
    units = units * np.sign(units[np.arange(count), np.abs(units).argmax(axis=1)])[:, None]
    deviation = 1 / np.sqrt(3) if generator.latent_prior == "uniform" else 1.0
    return (AUTO_STEP * deviation * units).astype(np.float32), energies[::-1][:count] / energies.sum()


def _first_kernels(network):
    """The kernels (latent_dim, units) float64 of the layers that take the latent."""
    weights = network.weights
    inputs = {layer.name for layer in network.layers if layer.class_name == "InputLayer"}
    first = [weights[layer.name] for layer in network.layers if weights[layer.name] and inputs.issuperset(layer.inputs)]
    kernels = [arrays[0] for arrays in first or [next(arrays for arrays in weights.values() if arrays)]]
    # That of a Conv2DTranspose from one pixel is (height, width, filters, latent_dim).
    kernels = [kernel.reshape(-1, kernel.shape[-1]).T if kernel.ndim == 4 else kernel for kernel in kernels]
    return [kernel.astype(np.float64) for kernel in kernels]


def auto_number(name):
    """The number of an unsupervised direction by its name, 3 for "auto3", or None if the name is another."""
    match = _AUTO.fullmatch(name)
    return int(match[1]) if match else None


def explained(step, latents, values):
    """The share, 0..1, of the variance of values (n,) that their latents' component along `step` accounts for."""
    along = np.asarray(latents, np.float64) @ step
    return float(np.corrcoef(along, values)[0, 1] ** 2)


def save(direction, path):
    """Write a direction as .npz: arr_0 is the step, fingerprint the generator's."""
    with files.atomic_write(path) as file:
        datasets.save_arrays(file, arr_0=direction.step, fingerprint=np.array(direction.fingerprint))


def read(path):
    """Read a direction that `save` wrote.

    Raises:
        ValueError: the file is missing or is not a direction.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as members:
            step, fingerprint = members["arr_0"], str(members["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, *datasets.DAMAGE):
        raise ValueError(f"{path}: is not a saved direction; name a file that vector_arithmetic.py saved") from None
    if step.ndim != 1 or step.dtype.kind != "f" or not np.isfinite(step).all():
        raise ValueError(f"{path}: holds {step.dtype} {step.shape}, not the numbers of a direction")
    return Direction(step.astype(np.float32), fingerprint)
