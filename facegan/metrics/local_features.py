"""What the face detector's first layer sees in an image at its full size and at half of it, place by place.

A distance of these features per place sees blur, missing texture, meshes and badly drawn eyes and mouths, also where
the whole face, reduced to O-Net's 48 pixels, looks like one. The layer sees 3x3 pixels and responds to any image.
"""

import functools

from facegan.common import images
from facegan.metrics.face_features import detector_network

import numpy as np

PLACES = 8  # along each side
SMALLEST_SIDE = 20  # pixels, of which half still has 8x8 places; smaller images are enlarged by a whole factor
BATCH = 64
LUMINANCE = (0.299, 0.587, 0.114)


def local_features(pixels):
    """Compute means of what the first layer sees, over 8x8 places of each image.

    Args:
        pixels: (n, height, width, 1 or 3) uint8.

    Returns:
        (texture, detail): at full size and at half of it, each (n, 64, 33) float32: the layer's 32 maps, and how
        strongly neighbouring pixels alternate, which they smooth out.
    """
    factor = -(-SMALLEST_SIDE // min(pixels.shape[1:3]))
    texture, detail = [], []
    for start in range(0, len(pixels), BATCH):
        part = _brightness(pixels[start : start + BATCH]).repeat(factor, 1).repeat(factor, 2)
        texture.append(_first_layer_by_place(part))
        detail.append(_first_layer_by_place(_halved(part)))
    return np.concatenate(texture), np.concatenate(detail)


def resized(pixels, height, width):
    """Images (n, h, w, 1 or 3) uint8 at another size."""
    if pixels.shape[1:3] == (height, width):
        return pixels
    pictures = (images.picture(np.ascontiguousarray(image)).resize((width, height)) for image in pixels)
    return np.stack([np.asarray(picture) for picture in pictures]).reshape(len(pixels), height, width, -1)


def _brightness(pixels):
    """Luminance (n, h, w, 1) float32, −1..1: a shift of colour would otherwise outweigh all else."""
    weights = LUMINANCE if pixels.shape[-1] == 3 else (1,)
    return ((pixels.astype(np.float32) @ np.array(weights, np.float32) - 127.5) / 128)[..., None]


def _halved(x):
    """Means of 2x2 pixels; an odd last row or column is left out."""
    even = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    return (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4


def _first_layer_by_place(x):
    """(n, places, 33) of brightness (n, h, w, 1)."""
    # Every batch has the same shape, the last one padded: each new shape would be compiled.
    batch = np.zeros((BATCH, *x.shape[1:3], 3), np.float32)
    batch[: len(x)] = x
    maps = np.asarray(_first_layer().predict_on_batch(batch))[: len(x)]
    alternation = np.abs(x[:, :-1, :-1] - x[:, :-1, 1:] - x[:, 1:, :-1] + x[:, 1:, 1:]) / 4
    return np.concatenate([_by_place(maps), _by_place(alternation)], axis=-1)


@functools.cache
def _first_layer():
    """O-Net's first layer as a Keras model of images of any size: (n, h, w, 3) → (n, h − 2, w − 2, 32)."""
    import keras

    network = detector_network()
    inputs = keras.Input((None, None, 3), name="onet_any_size", dtype="float32")
    maps = network.get_layer("onet_prelu1")(network.get_layer("onet_conv1")(inputs))
    model = keras.Model(inputs, maps, name="onet_first_layer")
    model.jit_compile = network.jit_compile
    return model


def _by_place(maps):
    """Means over equal parts of maps (n, h, w, c): (n, places, c)."""
    for axis in (1, 2):
        side = maps.shape[axis]
        edges = np.linspace(0, side, PLACES + 1).round().astype(int)
        shape = [-1 if k == axis else 1 for k in range(4)]
        maps = np.add.reduceat(maps, edges[:-1], axis) / np.diff(edges).reshape(shape).astype(np.float32)
    return maps.reshape(len(maps), -1, maps.shape[-1])
