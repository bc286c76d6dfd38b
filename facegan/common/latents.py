"""Faces by number, and the arithmetic of the latent space: paths, averages, truncation. numpy only."""

import itertools
import re
from pathlib import Path

from facegan.common import datasets

import numpy as np

LARGEST_FACE = 2**32 - 1  # the largest seed that numpy takes
MOST_FACES = 100_000  # in one list: more is probably a typing error
PARALLEL = 1e-6  # sine of the angle below which two vectors span no plane in float32

_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


def parse_faces(text):
    """Read a list of face numbers such as "1-25,30".

    Args:
        text: numbers and ranges (both ends included) separated by commas; order and repeats are kept.

    Returns:
        A list of int, each from 1 to `LARGEST_FACE`.

    Raises:
        ValueError: an item is not valid; the message is one line that begins with it.
    """
    faces = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece.strip())
        if not match:
            raise ValueError(f"{piece.strip()!r} is not a face number; write numbers and ranges such as 1-25,30")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= LARGEST_FACE or not 1 <= last <= LARGEST_FACE:
            raise ValueError(f"{piece.strip()} is not a face number; they are 1 to {LARGEST_FACE}")
        if last < first:
            raise ValueError(f"{piece.strip()} runs backwards; write {last}-{first}")
        if len(faces) + last - first >= MOST_FACES:
            raise ValueError(f"{piece.strip()} is more than {MOST_FACES:,} faces; draw them in several runs")
        faces.extend(range(first, last + 1))
    return faces


def latents_of_faces(numbers, latent_dim, latent_prior="normal"):
    """The latents of numbered faces: face 92 is what a random generator seeded with 92 draws, whatever the list.

    Args:
        numbers: face numbers, each 1 or more.
        latent_dim: length of a latent.
        latent_prior: the distribution in training, "normal" (mean 0, standard deviation 1) or "uniform" (−1 to 1).

    Returns:
        latents (n, latent_dim) float32.
    """
    latents = np.empty((len(numbers), latent_dim), np.float32)
    for row, number in zip(latents, numbers, strict=True):
        # RandomState, because numpy guarantees that its stream never changes; that of default_rng may.
        random = np.random.RandomState(number)
        row[:] = random.uniform(-1, 1, latent_dim) if latent_prior == "uniform" else random.standard_normal(latent_dim)
    return latents


def lerp(start, end, fractions):
    """Points on the straight line between two latents.

    Args:
        start, end: (latent_dim,) each.
        fractions: (n,) from 0 (start) to 1 (end).

    Returns:
        latents (n, latent_dim) float32; exactly `start` and `end` at the fractions 0 and 1.
    """
    start, end, fractions = _as_float64(start, end, fractions)
    return (start * (1 - fractions) + end * fractions).astype(np.float32)


def slerp(start, end, fractions):
    """Points on the great circle between two latents: the angle grows evenly, and latents of equal length keep it.

    Shoemake 1985, "Animating rotation with quaternion curves". A latent of n normal numbers has a length close to √n,
    and a straight line between two of them passes through lengths that the generator never saw in training; hence the
    use of slerp, discussed at soumith/dcgan.torch (2016). The two vectors are not normalised first, so that the path
    starts and ends exactly at them.

    Args:
        start, end: (latent_dim,) each.
        fractions: (n,) from 0 (start) to 1 (end).

    Returns:
        latents (n, latent_dim) float32. Where the circle is not defined, because a vector is zero or the two are
        parallel (in the same or opposite direction), this is `lerp`.
    """
    angle = angle_between(start, end)
    if np.sin(angle) < PARALLEL:
        return lerp(start, end, fractions)
    start, end, fractions = _as_float64(start, end, fractions)
    weights = np.sin((1 - fractions) * angle), np.sin(fractions * angle)
    return ((weights[0] * start + weights[1] * end) / np.sin(angle)).astype(np.float32)


def angle_between(start, end):
    """The angle between two vectors (latent_dim,), in radians from 0 to π; 0 if one of them is zero."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not all(lengths):
        return 0.0
    start, end = start / lengths[0], end / lengths[1]
    # Unlike the arccos of the dot product, this stays precise close to 0 and π.
    return float(2 * np.arctan2(np.linalg.norm(start - end), np.linalg.norm(start + end)))


def _as_float64(start, end, fractions):
    fractions = np.asarray(fractions, np.float64)[:, None]
    return np.asarray(start, np.float64), np.asarray(end, np.float64), fractions


METHODS = {"lerp": lerp, "slerp": slerp}


def path(stops, steps, method="slerp", loop=False):
    """A path through latents in equal steps.

    Args:
        stops: (n, latent_dim), n at least 2.
        steps: points of each leg, both ends included, at least 2; a stop shared by two legs appears once.
        method: "slerp" or "lerp".
        loop: whether to return to the first stop, which is not repeated.

    Returns:
        latents ((n − 1) · (steps − 1) + 1, latent_dim) float32, with `loop` (n · (steps − 1), latent_dim).
    """
    stops = np.asarray(stops, np.float32)
    ends = np.concatenate([stops, stops[:1]]) if loop else stops
    fractions = np.linspace(0, 1, steps)[:-1]
    legs = [METHODS[method](start, end, fractions) for start, end in itertools.pairwise(ends)]
    return np.concatenate(legs if loop else [*legs, stops[-1:]])


def plane(corners, rows, columns, method="slerp"):
    """A grid of latents between four corners: interpolated down the left and right sides, then across each row.

    Args:
        corners: (4, latent_dim): top left, top right, bottom left, bottom right.
        rows, columns: size of the grid, each at least 2.
        method: "slerp" or "lerp".

    Returns:
        latents (rows · columns, latent_dim) float32, row after row.
    """
    left = path([corners[0], corners[2]], rows, method)
    right = path([corners[1], corners[3]], rows, method)
    return np.concatenate([path(ends, columns, method) for ends in zip(left, right, strict=True)])


def average(latents):
    """The mean of latents (n, latent_dim) as (latent_dim,) float32: what several faces have in common."""
    return np.mean(np.asarray(latents, np.float64), axis=0).astype(np.float32)


def truncate(latents, psi):
    """Move latents towards the mean (psi below 1) for more typical faces, or away from it for more varied ones.

    A face number stays recognisable. This is StyleGAN's truncation (Karras et al. 2019, ψ) in the latent space of these
    generators, where the mean is zero under either prior.
    """
    return (np.asarray(latents, np.float64) * psi).astype(np.float32)


def constant(value, latent_dim):
    """One latent, (1, latent_dim) float32, whose numbers are all `value`."""
    return np.full((1, latent_dim), value, np.float32)


def read_latents(path):
    """Read a `latent_points.npz`: (n, latent_dim) float32; face k is row k, counted from 1.

    The tutorials' files, compressed or in float64, are read too; pickled arrays are not.

    Raises:
        ValueError: the file is missing or holds something else.
    """
    if not Path(path).exists():
        raise ValueError(f"{path}: no such file; generate.py saves such files")
    _, latents = datasets.open_array(path, verified=True)
    if latents.ndim != 2 or latents.dtype.kind != "f" or not len(latents):
        raise ValueError(f"{path}: holds {latents.dtype} {latents.shape}, not latents (n, latent_dim) of floats")
    with np.errstate(over="ignore"):
        latents = latents.astype(np.float32)
    if not np.isfinite(latents).all():
        raise ValueError(f"{path}: holds numbers that are infinite, NaN or too large")
    return latents
