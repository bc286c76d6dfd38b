"""Random changes of the images that D sees, through which G's gradient passes.

`augment` keeps D from memorising a small data set (Zhao et al. 2020, "Differentiable augmentation"): everything that D
sees, real or generated, is changed at random in the same way. D therefore cannot memorise the images in the file, and G
does not learn to draw changed images. It helps below some ten thousand images, and costs little. `random_parts` is what
the second discriminator sees.
"""

from keras import ops
from keras import random as keras_random

SHIFT = 0.125
CUTOUT = 0.5
MOST_CUT = 0.2


def augment(images, seed):
    """Change brightness, saturation and contrast, shift by up to an eighth of each side, and grey out a square.

    Args:
        images: (n, height, width, channels) float32 in the model's range. seed: a `keras.random.SeedGenerator`.

    Returns:
        Images of the same shape, each changed at random in its own way.
    """
    return _cut_out(_shift(_colour(images, seed), seed), seed)


def _colour(images, seed):
    count = ops.shape(images)[0]

    def draw(low, high):
        return keras_random.uniform((count, 1, 1, 1), low, high, seed=seed)

    images = images + draw(-0.5, 0.5)
    if images.shape[-1] > 1:
        grey = ops.mean(images, axis=3, keepdims=True)
        images = grey + (images - grey) * draw(0.0, 2.0)
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * draw(0.5, 1.5)


def _shift(images, seed):
    """Shift each image along both axes by its own whole numbers of pixels; what comes in from outside is 0."""
    for axis in (1, 2):
        size = images.shape[axis]
        reach = round(size * SHIFT)
        offset = keras_random.randint((ops.shape(images)[0], 1), -reach, reach + 1, seed=seed)
        places = ops.arange(size, dtype="int32")[None, :] + ops.cast(offset, "int32")
        inside = ops.cast((places >= 0) & (places < size), images.dtype)
        along = (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1)
        places = ops.reshape(ops.clip(places, 0, size - 1), along)
        images = ops.take_along_axis(images, places, axis=axis) * ops.reshape(inside, along)
    return images


def _cut_out(images, seed):
    """Set a rectangle with half of each side to 0; its centre may lie anywhere."""
    hidden = 1.0
    for axis in (1, 2):
        size = images.shape[axis]
        centre = keras_random.randint((ops.shape(images)[0], 1), 0, size, seed=seed)
        distance = ops.abs(ops.arange(size, dtype="int32")[None, :] - ops.cast(centre, "int32"))
        covered = ops.cast(2 * distance < round(size * CUTOUT), images.dtype)
        hidden = hidden * ops.reshape(covered, (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1))
    return images * (1.0 - hidden)


def random_parts(images, side, seed):
    """Cut up to a fifth off each side of an image, and resize what is left: bilinearly, antialiased where it shrinks.

    Args:
        images: (n, height, width, channels) float32. side: the new height and width in pixels.
        seed: a `keras.random.SeedGenerator`.

    Returns:
        (n, side, side, channels), each a part chosen at random.
    """
    _, height, width, channels = images.shape
    rows, columns = (_resizing(ops.shape(images)[0], length, side, seed) for length in (height, width))
    images = ops.matmul(rows, ops.reshape(images, (-1, height, width * channels)))
    return ops.matmul(columns[:, None], ops.reshape(images, (-1, side, width, channels)))


def _resizing(count, length, side, seed):
    """Matrices (count, side, length) that resize random parts of `length` pixels to `side` pixels."""
    cut = keras_random.uniform((2, count, 1, 1), 0.0, MOST_CUT * length, seed=seed)
    scale = (length - cut[0] - cut[1]) / side
    centres = cut[0] + scale * (ops.arange(side, dtype="float32")[:, None] + 0.5)
    distances = ops.abs(ops.arange(length, dtype="float32") + 0.5 - centres)
    weights = ops.relu(1.0 - distances / ops.maximum(scale, 1.0))
    return weights / ops.sum(weights, axis=2, keepdims=True)
