"""Lay images out on a square so that like stands beside like. numpy and Pillow; the detector for one of the kinds."""

import math

import numpy
from PIL import Image

from facegan import images

KINDS = ("face", "colour", "shape")
COMPONENTS = 16  # principal components that are compared
ROUNDS = 60  # of smoothing, from half of the square down to a neighbour
SWAPS = 24  # rounds of swaps between two smoothings


def describe(pixels, kind):
    """Describe images by what should make them neighbours.

    Args:
        pixels: (n, height, width, channels) uint8.
        kind: "face": the detector's features; "colour": 4x4 patches of colour; "shape": 16x16 patches of grey, with
            brightness and contrast taken out.

    Returns:
        (n, features) float32.
    """
    if kind == "face":
        from facegan import face_features

        return face_features.face_features(pixels)
    side, mode = (4, "RGB") if kind == "colour" else (16, "L")
    small = [images.picture(image).convert(mode).resize((side, side), Image.Resampling.BOX) for image in pixels]
    values = numpy.stack([numpy.asarray(image, numpy.float32).ravel() for image in small])
    if kind == "shape":
        values -= values.mean(axis=1, keepdims=True)
        values /= values.std(axis=1, keepdims=True) + 1
    return values


def principal_components(features, count=COMPONENTS):
    """The coordinates of (n, features) on their `count` widest directions, widest first: (n, count or fewer)."""
    centred = features - features.mean(axis=0)
    _, _, directions = numpy.linalg.svd(centred.T @ centred)
    return (centred @ directions[:count].T).astype(numpy.float32)


def arrange(features, seed=0):
    """Give each of n images a place of its own on a square.

    It starts from the two widest directions, one across and one down. Then the square is smoothed, and places are
    swapped in pairs wherever both images together come closer to what the smoothed square wants there; as the
    smoothing narrows, order forms from the large to the small. The idea is that of the self-sorting map (Strong and
    Gong 2014) and of linear assignment sorting (Barthel et al. 2023).

    Args:
        features: (n, features). seed: of the random pairs; the same seed gives the same square.

    Returns:
        (side · side,) int64 with side = ⌈√n⌉: which image stands there, row after row, −1 for an empty place.
    """
    points = principal_components(numpy.asarray(features, numpy.float64))
    side = math.ceil(math.sqrt(len(points)))
    order = _initial_order(points, side)
    # Empty places want nothing: they are given what the average image looks like.
    square = numpy.concatenate([points, numpy.zeros((1, points.shape[1]), numpy.float32)])
    random = numpy.random.RandomState(seed)
    for radius in numpy.geomspace(max(side / 4, 0.7), 0.7, ROUNDS):
        wanted = _smoothed(square[order].reshape(side, side, -1), radius).reshape(side * side, -1)
        for _ in range(SWAPS):
            _swap(order, square, wanted, random)
    return order


def _initial_order(points, side):
    order = numpy.full(side * side, -1)
    order[: len(points)] = numpy.argsort(-points[:, 0], kind="stable")
    columns = order.reshape(side, side)
    second = numpy.append(points[:, min(1, points.shape[1] - 1)], numpy.inf)
    return numpy.stack([column[numpy.argsort(second[column], kind="stable")] for column in columns], axis=1).ravel()


def _smoothed(square, radius):
    """A Gaussian of `radius` places over (side, side, features), mirrored at the edges, down and then across."""
    side = len(square)
    places = numpy.arange(side)
    distances = places[:, None] - numpy.concatenate([-1 - places[::-1], places, 2 * side - 1 - places[::-1]])[None]
    weights = numpy.exp(-0.5 * (distances / radius) ** 2)
    weights = weights[:, :side][:, ::-1] + weights[:, side : 2 * side] + weights[:, 2 * side :][:, ::-1]
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(numpy.float32)
    down = numpy.tensordot(weights, square, 1)
    return numpy.tensordot(weights, down.transpose(1, 0, 2), 1).transpose(1, 0, 2)


def _swap(order, square, wanted, random):
    """Split all places into random pairs and swap those pairs that come closer to what their places want."""
    places = random.permutation(len(order))
    one, other = places[: len(places) // 2], places[len(places) // 2 : len(places) // 2 * 2]
    # |a − u|² + |b − v|² > |b − u|² + |a − v|², with what both sides share taken out.
    gain = numpy.einsum("nd,nd->n", square[order[other]] - square[order[one]], wanted[one] - wanted[other])
    one, other = one[gain > 0], other[gain > 0]
    order[one], order[other] = order[other], order[one]
