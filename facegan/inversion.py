"""Find the latents whose images come closest to given ones: gradient descent through the generator, several starts.

The latents are the only trainable weights of a Keras model that ends in the generator and the detector's network, so
the search is an ordinary `fit()` and runs under every backend.
"""

import math

import numpy
from PIL import Image

from facegan import images, latents

STARTS = 4  # searches for each image: from an estimate, the closest random faces, and the average face
CANDIDATES = 2_048  # random faces that the starts are chosen from
STEPS = 150
ESTIMATE_SIDE = 16  # the estimate sees images at this size
RIDGE = 0.1  # share of the candidates
FASTEST, SLOWEST = 0.1, 0.01  # learning rate of Adam, falling along a cosine
SEEN_SHARE = 0.5  # weight of what the detector sees, against the pixels
LONGEST = 1.1  # a normal latent may be so many times as long as a typical one


def invert(generator, pixels, as_faces=True):
    """Bring images into the latent space.

    Args:
        generator: a `runs.Generator`.
        pixels: (n, height, width, channels) uint8 of the generator's size.
        as_faces: whether the detector's features count beside the pixels; not for other things than faces.

    Returns:
        (latents (n, latent_dim) float32, errors (n,) of their images, errors (n,) of the closest random face), errors
        as of `root_mean_square`. Latents stay within −1..1 for a uniform distribution and for a normal one not much
        longer than drawn ones, so that what is done with them leads to images that the generator has learnt.
    """
    starts, by_chance = _starts(generator, pixels)
    targets = numpy.repeat(pixels, STARTS, axis=0)
    found = _descend(generator, starts.reshape(-1, generator.latent_dim), targets, as_faces)
    errors = root_mean_square(generator.draw(found), targets).reshape(-1, STARTS)
    best = errors.argmin(axis=1)  # by the pixels alone, which is what a person compares
    return found.reshape(len(pixels), STARTS, -1)[numpy.arange(len(pixels)), best], errors.min(axis=1), by_chance


def root_mean_square(drawn, pixels):
    """How far images are from others, pixel by pixel, in levels of 255: (n,) float64."""
    difference = drawn.astype(numpy.float64) - pixels
    return numpy.sqrt((difference**2).mean(axis=(1, 2, 3)))


def closest_random(generator, pixels, count):
    """How far each of the faces 1 to `count` is from each image, in levels of 255.

    Returns:
        (errors (n, count), the latents (count, latent_dim), the faces' pixels).
    """
    points = latents.latents_of_faces(range(1, count + 1), generator.latent_dim, generator.distribution)
    drawn = generator.draw(points)
    flat = drawn.reshape(count, -1).astype(numpy.float32)
    wanted = pixels.reshape(len(pixels), -1).astype(numpy.float32)
    # |a − b|² = |a|² + |b|² − 2ab: all pairs in one product.
    squares = (wanted**2).sum(axis=1)[:, None] + (flat**2).sum(axis=1) - 2 * wanted @ flat.T
    return numpy.sqrt(numpy.maximum(squares, 0) / wanted.shape[1]), points, drawn


def _starts(generator, pixels):
    """Where to begin for each image, (n, STARTS, latent_dim), and the error of the closest random face, (n,)."""
    errors, points, drawn = closest_random(generator, pixels, CANDIDATES)
    nearest = points[numpy.argsort(errors, axis=1)[:, : STARTS - 2]]
    average = numpy.zeros_like(nearest[:, :1])
    starts = numpy.concatenate([_estimates(drawn, points, pixels)[:, None], nearest, average], axis=1)
    return starts, errors.min(axis=1)


def _estimates(drawn, points, pixels):
    """Guess latents (n, latent_dim) from small versions of the images, by what ridge regression finds in random faces.

    Args:
        drawn, points: pixels and latents of random faces. pixels: the images to guess for.
    """
    side = ESTIMATE_SIDE
    small, wanted = (
        numpy.stack(
            [numpy.asarray(images.picture(image).resize((side, side), Image.Resampling.BOX)).ravel() for image in part]
        )
        / 255.0
        for part in (drawn, pixels)
    )
    mean, spread = small.mean(axis=0), small.std(axis=0) + 1e-3
    small, wanted = (small - mean) / spread, (wanted - mean) / spread
    square = small.T @ small + RIDGE * len(small) * numpy.eye(small.shape[1])
    return (wanted @ numpy.linalg.solve(square, small.T @ points)).astype(numpy.float32)


def _descend(generator, starts, pixels, as_faces):
    """Improve each start (n, latent_dim) towards its image (n, height, width, channels)."""
    import keras

    rows = keras.Input((), dtype="int32")
    table = keras.layers.Embedding(*starts.shape, embeddings_constraint=_constraint(generator))
    drawn = generator.model(table(rows), training=False)
    outputs, targets = [drawn], [images.to_images(pixels, generator.pixel_range)]
    if as_faces:
        look = _detector_view(generator)
        outputs.append(look(drawn))
        targets.append(keras.ops.convert_to_numpy(look(targets[0])))
    model = keras.Model(rows, outputs)
    was_trainable, generator.model.trainable = generator.model.trainable, False
    table.embeddings.assign(starts)
    numbers = numpy.arange(len(starts))
    # Each error is counted in units of what it is between two images of this set and a start.
    first = [keras.ops.convert_to_numpy(output) for output in (model(numbers) if as_faces else [model(numbers)])]
    units = [1 / max(float(((a - b) ** 2).mean()), 1e-6) for a, b in zip(first, targets, strict=True)]
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(FASTEST, STEPS, SLOWEST / FASTEST)),
        loss=["mse"] * len(outputs),
        loss_weights=[unit * share for unit, share in zip(units, (1, SEEN_SHARE), strict=False)],
        jit_compile=keras.backend.backend() == "jax",
    )
    model.fit(numbers, targets, batch_size=len(starts), epochs=STEPS, shuffle=False, verbose=0)
    generator.model.trainable = was_trainable
    return keras.ops.convert_to_numpy(table.embeddings)


def _constraint(generator):
    """What keeps latents plausible after every step of the search."""
    import keras

    if generator.distribution == "uniform":
        return lambda table: keras.ops.clip(table, -1.0, 1.0)
    return keras.constraints.MaxNorm(LONGEST * math.sqrt(generator.latent_dim), axis=1)


def _detector_view(generator):
    """The detector's features of the generator's images, as a Keras model."""
    import keras

    from facegan import face_features

    drawn = keras.Input((generator.height, generator.width, generator.channels))
    low = -1.0 if generator.pixel_range == "tanh" else 0.0
    # The detector wants what images of the range −1..1 are, but for a factor of 127.5 / 128.
    x = (drawn if low else drawn * 2 - 1) * (127.5 / 128)
    x = keras.ops.image.resize(x, (face_features.SIDE, face_features.SIDE), antialias=True)
    if generator.channels == 1:
        x = keras.ops.repeat(x, 3, axis=-1)
    return keras.Model(drawn, face_features.detector_network()(x)[0])
