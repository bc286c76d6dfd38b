"""Faces by number, and the arithmetic of the latent space: paths, averages, spread. numpy only."""

import itertools
import re
import zipfile
import zlib
from pathlib import Path

import numpy

LARGEST_FACE = 2**32 - 1  # the largest seed that numpy takes
MOST_FACES = 100_000  # in one list: beyond it a range is a slip of the finger
PARALLEL = 1e-6  # sine of the angle below which two vectors span no plane in float32

_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


def parse_faces(text):
    """Read a list of face numbers such as "1-25,30".

    Args:
        text: numbers and ranges (both ends included) separated by commas; their order is kept, repeats too.

    Returns:
        A list of int, each from 1 to `LARGEST_FACE`.

    Raises:
        ValueError: anything else; one line that says which piece is wrong.
    """
    faces = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece.strip())
        if not match:
            raise ValueError(f"{piece.strip()!r} is no face; write numbers and ranges such as 1-25,30")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= LARGEST_FACE or not 1 <= last <= LARGEST_FACE:
            raise ValueError(f"{piece.strip()} is no face; they are numbered from 1 to {LARGEST_FACE}")
        if last < first:
            raise ValueError(f"{piece.strip()} runs backwards; write {last}-{first}")
        if len(faces) + last - first >= MOST_FACES:
            raise ValueError(f"{piece.strip()} makes more than {MOST_FACES:,} faces; draw them in several runs")
        faces.extend(range(first, last + 1))
    return faces


def latents_of_faces(numbers, latent_dim, distribution="normal"):
    """The latents of numbered faces: face 92 is what a random generator seeded with 92 draws, whoever stands beside it.

    Args:
        numbers: face numbers, each 1 or more.
        latent_dim: length of a latent.
        distribution: "normal" (mean 0, deviation 1) or "uniform" (−1 to 1), as the generator was trained.

    Returns:
        latents (n, latent_dim) float32.
    """
    latents = numpy.empty((len(numbers), latent_dim), numpy.float32)
    for row, number in zip(latents, numbers, strict=True):
        # RandomState, because numpy keeps its stream the same for ever; that of default_rng may change.
        random = numpy.random.RandomState(number)
        row[:] = random.uniform(-1, 1, latent_dim) if distribution == "uniform" else random.standard_normal(latent_dim)
    return latents


def lerp(start, end, fractions):
    """Points on the straight line between two latents.

    Args:
        start, end: (latent_dim,) each.
        fractions: (n,) from 0 (start) to 1 (end).

    Returns:
        latents (n, latent_dim) float32; where a fraction is 0 or 1, exactly the end itself.
    """
    start, end, fractions = _as_float64(start, end, fractions)
    return (start * (1 - fractions) + end * fractions).astype(numpy.float32)


def slerp(start, end, fractions):
    """Points on the great circle between two latents: the angle grows evenly, and equal lengths stay that length.

    Shoemake 1985, "Animating rotation with quaternion curves". A latent of n normal numbers has a length close to √n,
    and a straight line between two of them cuts through lengths that the generator never saw in training; that is why
    the discussion of the question at soumith/dcgan.torch (2016) took to slerp. The two vectors are weighted as they
    are, not brought to length 1 first, so that the path starts and ends exactly in them.

    Args:
        start, end: (latent_dim,) each.
        fractions: (n,) from 0 (start) to 1 (end).

    Returns:
        latents (n, latent_dim) float32. Where no circle is defined, because one vector is zero or both are parallel
        (the same way or opposite), this is `lerp`.
    """
    angle = angle_between(start, end)
    if numpy.sin(angle) < PARALLEL:
        return lerp(start, end, fractions)
    start, end, fractions = _as_float64(start, end, fractions)
    weights = numpy.sin((1 - fractions) * angle), numpy.sin(fractions * angle)
    return ((weights[0] * start + weights[1] * end) / numpy.sin(angle)).astype(numpy.float32)


def angle_between(start, end):
    """The angle between two vectors (latent_dim,), in radians from 0 to π; 0 if one of them is zero."""
    start, end = numpy.asarray(start, numpy.float64), numpy.asarray(end, numpy.float64)
    lengths = numpy.linalg.norm(start), numpy.linalg.norm(end)
    if not all(lengths):
        return 0.0
    start, end = start / lengths[0], end / lengths[1]
    # Unlike arccos of the dot product, this keeps its digits close to 0 and π.
    return float(2 * numpy.arctan2(numpy.linalg.norm(start - end), numpy.linalg.norm(start + end)))


def _as_float64(start, end, fractions):
    fractions = numpy.asarray(fractions, numpy.float64)[:, None]
    return numpy.asarray(start, numpy.float64), numpy.asarray(end, numpy.float64), fractions


METHODS = {"lerp": lerp, "slerp": slerp}


def path(stops, steps, method="slerp", loop=False):
    """A path through latents in even steps.

    Args:
        stops: (n, latent_dim), n at least 2.
        steps: points of each leg, both ends included, at least 2; a stop shared by two legs comes once.
        method: "slerp" or "lerp".
        loop: whether a last leg leads back to the first stop, which is not repeated.

    Returns:
        latents ((n − 1) · (steps − 1) + 1, latent_dim) float32, with `loop` (n · (steps − 1), latent_dim).
    """
    stops = numpy.asarray(stops, numpy.float32)
    ends = numpy.concatenate([stops, stops[:1]]) if loop else stops
    fractions = numpy.linspace(0, 1, steps)[:-1]
    legs = [METHODS[method](start, end, fractions) for start, end in itertools.pairwise(ends)]
    return numpy.concatenate(legs if loop else [*legs, stops[-1:]])


def plane(corners, rows, columns, method="slerp"):
    """A grid of latents between four: down the left and the right side first, then across.

    Args:
        corners: (4, latent_dim): top left, top right, bottom left, bottom right.
        rows, columns: size of the grid, each at least 2.
        method: "slerp" or "lerp".

    Returns:
        latents (rows · columns, latent_dim) float32, row after row.
    """
    left = path([corners[0], corners[2]], rows, method)
    right = path([corners[1], corners[3]], rows, method)
    return numpy.concatenate([path(ends, columns, method) for ends in zip(left, right, strict=True)])


def average(latents):
    """The mean of latents (n, latent_dim) as (latent_dim,) float32: what several faces have in common."""
    return numpy.mean(numpy.asarray(latents, numpy.float64), axis=0).astype(numpy.float32)


def combine(plus, minus):
    """A latent from averages added and subtracted: smiling woman − neutral woman + neutral man.

    Args:
        plus, minus: lists of latents (latent_dim,).

    Returns:
        (latent_dim,) float32.
    """
    total = numpy.sum(numpy.asarray(plus, numpy.float64), axis=0)
    if len(minus):
        total = total - numpy.sum(numpy.asarray(minus, numpy.float64), axis=0)
    return total.astype(numpy.float32)


def spread(latents, amount):
    """Draw latents closer to the centre (amount below 1) for tamer faces, or farther (above 1) for odder ones.

    The same face numbers stay recognisable. It is StyleGAN's truncation (Karras et al. 2019, ψ) in the space that
    these generators have: both of their distributions have their mean at zero.
    """
    return (numpy.asarray(latents, numpy.float64) * amount).astype(numpy.float32)


def constant(value, latent_dim):
    """The one latent (1, latent_dim) float32 whose numbers are all `value`."""
    return numpy.full((1, latent_dim), value, numpy.float32)


def read_latents(path):
    """Read a `latent_points.npz`: (n, latent_dim) float32, row k being number k of that file.

    The tutorials' files, compressed or of float64, are read too; an array saved with pickle is not.

    Raises:
        ValueError: the file is missing or holds something else, in one line.
    """
    try:
        # Opened here, since numpy leaves the file open when it is not a whole zip.
        with Path(path).open("rb") as file, numpy.load(file, allow_pickle=False) as members:
            if not isinstance(members, numpy.lib.npyio.NpzFile) or len(members.files) != 1:
                raise ValueError("must hold one array, arr_0; --save-latents writes such files")
            latents = members[members.files[0]]
    except FileNotFoundError:
        raise ValueError("no such file; --save-latents writes such files") from None
    except (OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"cannot be read as .npz ({str(error).splitlines()[0]})") from None
    if latents.ndim != 2 or latents.dtype.kind != "f" or not len(latents):
        raise ValueError(f"holds {latents.dtype} {latents.shape}, not latents (n, latent_dim) of floats")
    if not numpy.isfinite(latents).all():
        raise ValueError("holds numbers that are infinite or not numbers")
    return latents.astype(numpy.float32)


def rows_of(latents, numbers):
    """The rows numbered `numbers`, from 1, of latents (n, latent_dim).

    Raises:
        ValueError: there is no such row.
    """
    beyond = [number for number in numbers if number > len(latents)]
    if beyond:
        raise ValueError(f"there is no row {beyond[0]}; the file has {len(latents)} rows, numbered from 1")
    return latents[numpy.asarray(numbers, int) - 1]
