"""Lay images out on a square with similar ones side by side. numpy and Pillow; for "face" also the detector."""

import math

from facegan.common import images

import numpy as np
from PIL import Image

KINDS = ("face", "colour", "shape")
COMPONENTS = 16  # number of principal components compared
ROUNDS = 60  # of smoothing, with a radius from a quarter of the square down to less than one place
SWAPS = 24  # rounds of swaps after each smoothing


def describe(pixels, kind):
    """Describe images by features that should make them neighbours.

    Args:
        pixels: (n, height, width, channels) uint8.
        kind: "face" for the detector's features, "colour" for 4x4 patches of colour, "shape" for 16x16 patches of grey
            with brightness and contrast removed.

    Returns:
        (n, features) float32.
    """
    if kind == "face":
        from facegan.metrics import face_features

        return face_features.face_features(pixels)
    side, mode = (4, "RGB") if kind == "colour" else (16, "L")
    small = [images.picture(image).convert(mode).resize((side, side), Image.Resampling.BOX) for image in pixels]
    values = np.stack([np.asarray(image, np.float32).ravel() for image in small])
    if kind == "shape":
        values -= values.mean(axis=1, keepdims=True)
        values /= values.std(axis=1, keepdims=True) + 1
    return values


def principal_components(features):
    """The first `COMPONENTS` principal components of (n, features), largest first: (n, that many or fewer) float32."""
    centred = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(centred.T @ centred)
    return (centred @ directions[:COMPONENTS].T).astype(np.float32)


def arrange(features):
    """Give each of n images its own place on a square.

    At first, images are sorted across by the first principal component and down by the second. Then the square is
    smoothed, and two images swap places wherever that brings the pair closer to the smoothed square. As the smoothing
    radius shrinks, order forms from coarse to fine. The idea is that of the self-sorting map (Strong and Gong 2014) and
    of linear assignment sorting (Barthel et al. 2023).

    Args:
        features: (n, features); the same ones always give the same square.

    Returns:
        (side · side,) int64 with side = ⌈√n⌉: the image at each place, row by row, −1 for an empty place.
    """
    points = principal_components(np.asarray(features, np.float64))
    side = math.ceil(math.sqrt(len(points)))
    order = _initial_order(points, side)
    # An empty place counts as the average image.
    square = np.concatenate([points, np.zeros((1, points.shape[1]), np.float32)])
    random = np.random.RandomState(0)
    for radius in np.geomspace(max(side / 4, 0.7), 0.7, ROUNDS):
        wanted = _smoothed(square[order].reshape(side, side, -1), radius).reshape(side * side, -1)
        for _ in range(SWAPS):
            _swap(order, square, wanted, random)
    return order


def _initial_order(points, side):
    order = np.full(side * side, -1)
    order[: len(points)] = np.argsort(-points[:, 0], kind="stable")
    columns = order.reshape(side, side)
    second = np.append(points[:, min(1, points.shape[1] - 1)], np.inf)
    return np.stack([column[np.argsort(second[column], kind="stable")] for column in columns], axis=1).ravel()


def _smoothed(square, radius):
    """Smooth (side, side, features) with a Gaussian of `radius` places, mirrored at the edges, down and then across."""
    side = len(square)
    places = np.arange(side)
    distances = places[:, None] - np.concatenate([-1 - places[::-1], places, 2 * side - 1 - places[::-1]])[None]
    weights = np.exp(-0.5 * (distances / radius) ** 2)
    weights = weights[:, :side][:, ::-1] + weights[:, side : 2 * side] + weights[:, 2 * side :][:, ::-1]
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    down = np.tensordot(weights, square, 1)
    return np.tensordot(weights, down.transpose(1, 0, 2), 1).transpose(1, 0, 2)


def _swap(order, square, wanted, random):
    """Split all places into random pairs, and swap a pair if that brings both closer to what is wanted there."""
    places = random.permutation(len(order))
    one, other = places[: len(places) // 2], places[len(places) // 2 : len(places) // 2 * 2]
    # |a − u|² + |b − v|² > |b − u|² + |a − v|², without the terms that both sides share.
    gain = np.einsum("nd,nd->n", square[order[other]] - square[order[one]], wanted[one] - wanted[other])
    one, other = one[gain > 0], other[gain > 0]
    order[one], order[other] = order[other], order[one]
