"""Invert a generator: find the latents whose images come closest to given ones, by gradient descent.

The latents are the only trainable weights of a Keras model that ends in the generator and the detector's network, so
the descent is an ordinary `fit()` and runs under every backend.
"""

import math

from facegan.common import images
from facegan.exploring import directions

import numpy as np
from PIL import Image

STARTS = 4  # for each image: an estimate, the two closest random faces, and the average face
CANDIDATES = 2_048  # random faces from which the starts are computed
STEPS = 150
ESTIMATE_SIDE = 16  # the estimate is made from images of this size
RIDGE = 0.1  # penalty per candidate
FASTEST, SLOWEST = 0.1, 0.01  # Adam's learning rate falls from one to the other along a cosine
FEATURE_WEIGHT = 0.5  # of the detector's features; that of the pixels is 1
LONGEST = 1.1  # normal latents may be this many times as long as a typical one


def invert(generator, pixels, as_faces=True):
    """Compute the latents whose images come closest to given ones.

    Args:
        generator: a `generators.Generator`.
        pixels: (n, height, width, channels) uint8, at the generator's size.
        as_faces: whether to compare the detector's features as well as pixels; only for images of faces.

    Returns:
        (latents (n, latent_dim) float32, errors (n,) of their images, errors (n,) of the closest random face), errors
        as in `root_mean_square`. Latents of a uniform prior stay within −1..1, and those of a normal prior are not much
        longer than random ones, so that arithmetic with them stays near the latents seen in training.
    """
    starts, random_errors = _starts(generator, pixels)
    targets = np.repeat(pixels, STARTS, axis=0)
    points = _descend(generator, starts.reshape(-1, generator.latent_dim), targets, as_faces)
    errors = root_mean_square(generator.draw(points), targets).reshape(-1, STARTS)
    best = errors.argmin(axis=1)  # by the pixels alone, which is what a person compares
    return points.reshape(len(pixels), STARTS, -1)[np.arange(len(pixels)), best], errors.min(axis=1), random_errors


def root_mean_square(drawn, pixels):
    """The root mean square difference of pixels 0..255 between images and others: (n,) float64."""
    difference = drawn.astype(np.float64) - pixels
    return np.sqrt((difference**2).mean(axis=(1, 2, 3)))


def errors_of_random_faces(generator, pixels, count):
    """How far each of the faces 1 to `count` is from each image.

    Returns:
        (errors (n, count), latents (count, latent_dim) and pixels of these faces), errors as in `root_mean_square`.
    """
    points = generator.latents_of(range(1, count + 1))
    drawn = generator.draw(points)
    flat = drawn.reshape(count, -1).astype(np.float32)
    wanted = pixels.reshape(len(pixels), -1).astype(np.float32)
    # |a − b|² = |a|² + |b|² − 2ab: all pairs in one product.
    squares = (wanted**2).sum(axis=1)[:, None] + (flat**2).sum(axis=1) - 2 * wanted @ flat.T
    return np.sqrt(np.maximum(squares, 0) / wanted.shape[1]), points, drawn


def _starts(generator, pixels):
    """The starts for each image, (n, STARTS, latent_dim), and the error of the closest random face, (n,)."""
    errors, points, drawn = errors_of_random_faces(generator, pixels, CANDIDATES)
    closest = points[np.argsort(errors, axis=1)[:, : STARTS - 2]]
    average = np.zeros_like(closest[:, :1])
    starts = np.concatenate([_estimates(drawn, points, pixels)[:, None], closest, average], axis=1)
    return starts, errors.min(axis=1)


def _estimates(drawn, points, pixels):
    """Estimate latents (n, latent_dim) from reduced images, by ridge regression fitted to random faces.

    Args:
        drawn, points: pixels and latents of random faces. pixels: the images to estimate latents for.
    """
    small, wanted = _small(drawn), _small(pixels)
    mean, deviation = small.mean(axis=0), small.std(axis=0) + 1e-3
    weights = directions.ridge_regression((small - mean) / deviation, points, RIDGE)
    return ((wanted - mean) / deviation @ weights).astype(np.float32)


def _small(pixels):
    """Images reduced to `ESTIMATE_SIDE`: (n, values) float64, 0..1."""
    side = (ESTIMATE_SIDE, ESTIMATE_SIDE)
    reduced = [np.asarray(images.picture(image).resize(side, Image.Resampling.BOX)).ravel() for image in pixels]
    return np.stack(reduced) / 255.0


def _descend(generator, starts, pixels, as_faces):
    """Move each start (n, latent_dim) towards its image (n, height, width, channels) by gradient descent."""
    import keras

    rows = keras.Input((), dtype="int32")
    table = keras.layers.Embedding(*starts.shape, embeddings_constraint=_constraint(generator))
    inputs = keras.layers.Reshape(generator.model.input_shape[1:])(table(rows))
    drawn = generator.model(inputs, training=False)
    outputs, targets = [drawn], [images.to_images(pixels, generator.pixel_range)]
    if as_faces:
        features_of = _detector_features(generator)
        outputs.append(features_of(drawn))
        targets.append(keras.ops.convert_to_numpy(features_of(targets[0])))
    model = keras.Model(rows, outputs)
    was_trainable, generator.model.trainable = generator.model.trainable, False
    table.embeddings.assign(starts)
    numbers = np.arange(len(starts))
    # Each error is divided by its value at the starts, so that both begin at 1.
    first = [keras.ops.convert_to_numpy(output) for output in (model(numbers) if as_faces else [model(numbers)])]
    units = [1 / max(float(((a - b) ** 2).mean()), 1e-6) for a, b in zip(first, targets, strict=True)]
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(FASTEST, STEPS, SLOWEST / FASTEST)),
        loss=["mse"] * len(outputs),
        loss_weights=[unit * weight for unit, weight in zip(units, (1, FEATURE_WEIGHT), strict=False)],
    )
    model.fit(numbers, targets, batch_size=len(starts), epochs=STEPS, shuffle=False, verbose=0)
    generator.model.trainable = was_trainable
    return keras.ops.convert_to_numpy(table.embeddings)


def _constraint(generator):
    """The constraint that keeps latents plausible after every step."""
    import keras

    if generator.latent_prior == "uniform":
        return lambda table: keras.ops.clip(table, -1.0, 1.0)
    return keras.constraints.MaxNorm(LONGEST * math.sqrt(generator.latent_dim), axis=1)


def _detector_features(generator):
    """A Keras model from the generator's images to the detector's features."""
    from facegan.metrics import face_features

    import keras

    drawn = keras.Input((generator.height, generator.width, generator.channels))
    low = -1.0 if generator.pixel_range == "tanh" else 0.0
    # The detector takes images in −1..1, times 127.5 / 128.
    x = (drawn if low else drawn * 2 - 1) * (127.5 / 128)
    x = keras.ops.image.resize(x, (face_features.SIDE, face_features.SIDE), antialias=True)
    if generator.channels == 1:
        x = keras.ops.repeat(x, 3, axis=-1)
    return keras.Model(drawn, face_features.detector_network()(x)[0])
