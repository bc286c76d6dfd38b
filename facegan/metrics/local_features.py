"""How strong every frequency is in an image, place by place: its texture, and at half the size its detail.

A distance of these features sees blur, missing texture, noise, meshes, traces of JPEG and badly drawn eyes and mouths,
also where the whole face, reduced to O-Net's 48 pixels, looks like one. It sees no colour.
"""

from facegan.common import images
from facegan.common.images import LUMINANCE

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

PLACES = 4  # along each side
BLOCK = 4  # pixels along the side of a block, of which the cosine transform makes 4x4 frequencies
STRIDE = 2  # pixels from a block to the next
SMALLEST_SIDE = 20  # pixels, of which half still has blocks in 4x4 places; smaller images are enlarged
VISIBLE = 0.5  # grey levels: smaller differences do not count
BATCH = 64


def local_features(pixels):
    """Measure how strong each frequency is in 4x4 places of each image.

    Args:
        pixels: (n, height, width, 1 or 3) uint8.

    Returns:
        (texture, detail): at full size and at half of it, each (n, 16, 15) float32: the root mean squares, in grey
        levels, of the 15 cosine transform coefficients (all but the mean) of the blocks of 4x4 pixels in each place.
    """
    factor = -(-SMALLEST_SIDE // min(pixels.shape[1:3]))
    texture, detail = [], []
    for start in range(0, len(pixels), BATCH):
        part = _brightness(pixels[start : start + BATCH]).repeat(factor, 1).repeat(factor, 2)
        texture.append(_strengths(part))
        detail.append(_strengths(_halved(part)))
    return np.concatenate(texture), np.concatenate(detail)


def whitening(features):
    """The matrices that give features of real images unit variance and no correlation: weak frequencies count, too.

    Args:
        features: (n, places, d), n of 2 or more.

    Returns:
        (places, d, d) float64, to multiply features of any images with, see `whitened`. Variances are enlarged by that
        of half a grey level, so that what nobody sees does not count and what never varies gives no infinite number.
    """
    matrices = []
    for place in np.moveaxis(features.astype(np.float64), 1, 0):
        variances, axes = np.linalg.eigh(np.cov(place, rowvar=False))
        matrices.append(axes / np.sqrt(np.maximum(variances, 0) + VISIBLE**2))
    return np.stack(matrices)


def whitened(features, matrices):
    """Features (n, places, d) times the matrices of `whitening`."""
    return np.moveaxis(np.moveaxis(features, 1, 0) @ matrices, 0, 1)


def resized(pixels, height, width):
    """Images (n, h, w, 1 or 3) uint8 at another size."""
    if pixels.shape[1:3] == (height, width):
        return pixels
    pictures = (images.picture(image).resize((width, height)) for image in pixels)
    return np.stack([np.asarray(picture) for picture in pictures]).reshape(len(pixels), height, width, -1)


def _brightness(pixels):
    """Luminance (n, h, w) float32, 0..255: a shift of colour would otherwise outweigh all else."""
    weights = LUMINANCE if pixels.shape[-1] == 3 else (1,)
    return pixels.astype(np.float32) @ np.array(weights, np.float32)


def _halved(x):
    """Means of 2x2 pixels; an odd last row or column is left out."""
    even = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    return (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4


def _strengths(x):
    """(n, places, 15) of brightness (n, h, w)."""
    blocks = sliding_window_view(x, (BLOCK, BLOCK), axis=(1, 2))[:, ::STRIDE, ::STRIDE]
    return np.sqrt(_by_place((blocks.reshape(*blocks.shape[:3], -1) @ _cosines()) ** 2))


def _cosines():
    """(16, 15): the two-dimensional cosine transform of a flattened block without its first coefficient, the mean."""
    numbers = np.arange(BLOCK)
    line = np.cos(np.pi * (numbers[:, None] + 0.5) * numbers / BLOCK) * np.sqrt(2 / BLOCK)
    line[:, 0] = np.sqrt(1 / BLOCK)
    return np.kron(line, line)[:, 1:].astype(np.float32)


def _by_place(maps):
    """Means over equal parts of maps (n, h, w, c): (n, places, c)."""
    for axis in (1, 2):
        side = maps.shape[axis]
        edges = np.linspace(0, side, PLACES + 1).round().astype(int)
        shape = [-1 if k == axis else 1 for k in range(4)]
        maps = np.add.reduceat(maps, edges[:-1], axis) / np.diff(edges).reshape(shape).astype(np.float32)
    return maps.reshape(len(maps), -1, maps.shape[-1])
