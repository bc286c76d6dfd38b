"""Differentiable augmentation, which keeps D from memorising a small data set (Zhao et al. 2020).

Everything that D sees, real or generated, is changed at random in the same way, and G's gradient passes through the
change. D therefore cannot memorise the images in the file, and G does not learn to draw changed images. It helps below
some ten thousand images, and costs little.
"""

from keras import ops
from keras import random as keras_random

SHIFT = 0.125
CUTOUT = 0.5


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
