"""Builds the generator and the discriminator that a preset describes, for images of any suitable size."""

from facegan.common import hardware
from facegan.common.images import LUMINANCE
from facegan.training import presets

import keras
import numpy as np
from keras import layers

# Keras's default momentum of 0.99 averages over hundreds of steps; these are the settings of DCGAN implementations.
BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5
FIXED = ("brightness", "blurred_colours")  # names of layers that are not trained


def build_generator(preset, image_shape, latent_dim=None, dtype=None, to_train=False, finished=False):
    """Build the network that draws images from latents.

    Args:
        preset: a row of `presets.PRESETS`.
        image_shape: (height, width, channels); sides that `presets.count_downsamplings` accepts.
        latent_dim: length of a latent; the preset's if None.
        dtype: Keras dtype policy of the layers; the global one if None. The last layer is always float32.
        to_train: whether it will be trained: under TensorFlow on a CPU it is then built of `fast_cpu_layers`, which
            give the results of Keras's layers in less time.
        finished: whether it has what only a saved generator has, the layers of `colour_blur`.

    Returns:
        A Functional model, latents (n, latent_dim) float32 → images (n, height, width, channels) float32 in the
        range of the preset's output activation.
    """
    height, width, channels = image_shape
    count = presets.count_downsamplings(height, width)
    hidden = count - 1 if preset.head_upsamples else count
    smallest = (height >> count, width >> count, preset.stem)

    source = _source(to_train)
    latents = keras.Input((latent_dim or preset.latent_dim,), name="latents")
    style = None
    if preset.modulation:
        style = layers.Dense(preset.modulation, **_weights(preset, dtype))(latents)
        style = source.LeakyReLU(negative_slope=preset.slope, dtype=dtype)(style)
    x = layers.Dense(smallest[0] * smallest[1] * smallest[2], **_weights(preset, dtype))(latents)
    x = layers.Reshape(smallest, dtype=dtype)(x)
    x = _generator_tail(x, style, preset, dtype, source)
    for filters, kernel in preset.stem_layers:
        x = source.Conv2DTranspose(filters, kernel, padding="same", **_weights(preset, dtype))(x)
        x = _generator_tail(x, style, preset, dtype, source)
    # Use as many blocks as this size needs; if there are too few, repeat the last one, nearest to full resolution.
    for filters, kernel in (preset.upsampling_blocks + preset.upsampling_blocks[-1:] * hidden)[:hidden]:
        x = _upsampled(x, preset, filters, kernel, dtype, source)
        x = _generator_tail(x, style, preset, dtype, source)
    if preset.head_upsamples:
        x = _upsampled(x, preset, channels, preset.head, dtype, source)
    else:
        x = source.Conv2D(channels, preset.head, padding="same", **_weights(preset, dtype))(x)
    if preset.blur:
        x = layers.AveragePooling2D(2, strides=1, padding="same", dtype=dtype)(x)
    if preset.colour_blur and finished and channels == 3:
        x = _colour_blurred(x, dtype)
    images = layers.Activation(preset.output, dtype="float32", name="images")(x)
    return keras.Model(latents, images, name="generator")


def build_discriminator(preset, image_shape, dtype=None, to_train=False):
    """Build the network that classifies images as real or generated.

    Args:
        preset, image_shape, dtype, to_train: as for `build_generator`.

    Returns:
        A Functional model, images (n, height, width, channels) → logits (n, 1) float32, positive for real. It ends in a
        logit rather than a probability so that the loss stays exact where a sigmoid would round to 0 or 1.
    """
    count = presets.count_downsamplings(*image_shape[:2])
    # As in the generator; a preset may have additional blocks, below the generator's smallest map.
    further = len(preset.downsampling_blocks) - presets.count_downsamplings(*preset.image_shape[:2])
    blocks = preset.downsampling_blocks[:1] * (count + further) + preset.downsampling_blocks
    source = _source(to_train)
    images = x = keras.Input(image_shape, name="images")
    first = True
    stem = [(preset.d_stem, 1)] if preset.d_stem else []
    for (filters, kernel), strides in stem + [(block, 2) for block in blocks[-count - further :]]:
        x = source.Conv2D(filters, kernel, strides=strides, padding="same", **_weights(preset, dtype))(x)
        if preset.d_batch_norm and not first:
            x = _batch_norm(preset, dtype)(x)
        x = source.LeakyReLU(negative_slope=preset.slope, dtype=dtype)(x)
        if preset.d_dropout_each:
            x = layers.Dropout(preset.d_dropout, dtype=dtype)(x)
        first = False
    x = layers.Flatten(dtype=dtype)(x)
    if preset.d_dropout and not preset.d_dropout_each:
        x = layers.Dropout(preset.d_dropout, dtype=dtype)(x)
    if preset.d_hidden:
        x = layers.Dense(preset.d_hidden, **_weights(preset, dtype))(x)
        x = source.LeakyReLU(negative_slope=preset.slope, dtype=dtype)(x)
    logits = layers.Dense(1, name="logits", **_weights(preset, "float32"))(x)
    return keras.Model(images, logits, name="discriminator")


def learned_weights(network):
    """The weights, moving statistics included, of all layers but the fixed ones of `colour_blur`; in their order."""
    return [weight for layer in network.layers if layer.name not in FIXED for weight in layer.weights]


def copy_weights(source, target):
    """Copy the learned weights of a network into another, through numpy: JAX would let both share their memory."""
    for own, weight in zip(learned_weights(target), learned_weights(source), strict=True):
        own.assign(keras.ops.convert_to_numpy(weight))


def _source(to_train):
    """The module that convolutions and leaky ReLU are taken from."""
    if to_train and keras.backend.backend() == "tensorflow" and hardware.find_device().kind == "cpu":
        from facegan.training import fast_cpu_layers

        return fast_cpu_layers
    return layers


def _upsampled(x, preset, filters, kernel, dtype, source):
    """A layer that doubles both sides."""
    if preset.upsampling == "transposed":
        return source.Conv2DTranspose(filters, kernel, strides=2, padding="same", **_weights(preset, dtype))(x)
    x = layers.UpSampling2D(interpolation=preset.upsampling, dtype=dtype)(x)
    return source.Conv2D(filters, kernel, padding="same", **_weights(preset, dtype))(x)


def _generator_tail(x, style, preset, dtype, source):
    """What follows every generator layer but the last: batch norm, modulation, activation, dropout."""
    if preset.batch_norm:
        x = _batch_norm(preset, dtype)(x)
    if style is not None:
        x = layers.Multiply(dtype=dtype)([x, _of_each_channel(style, x.shape[-1], "ones", dtype)])
        x = layers.Add(dtype=dtype)([x, _of_each_channel(style, x.shape[-1], "zeros", dtype)])
    if preset.activation == "relu":
        x = layers.ReLU(dtype=dtype)(x)
    else:
        x = source.LeakyReLU(negative_slope=preset.slope, dtype=dtype)(x)
    return layers.Dropout(preset.dropout, dtype=dtype)(x) if preset.dropout else x


def _of_each_channel(style, channels, start, dtype):
    """A number for each channel, (n, 1, 1, channels), which begins near `start`."""
    small = keras.initializers.RandomNormal(stddev=0.02)
    numbers = layers.Dense(channels, kernel_initializer=small, bias_initializer=start, dtype=dtype)(style)
    return layers.Reshape((1, 1, channels), dtype=dtype)(numbers)


def _colour_blurred(x, dtype):
    """x (n, height, width, 3) with each pixel's brightness, and the mean colour of the 3x3 pixels around it."""
    brightness = np.repeat(np.array(LUMINANCE)[:, None], 3, axis=1)  # x @ brightness is grey
    rest = layers.AveragePooling2D(3, strides=1, padding="same", dtype=dtype)(x)
    parts = (x, brightness), (rest, np.eye(3) - brightness)
    return layers.Add(dtype=dtype)(
        [_fixed(name, image, matrix, dtype) for name, (image, matrix) in zip(FIXED, parts, strict=True)]
    )


def _fixed(name, x, matrix, dtype):
    """x times a matrix (channels, channels) that is not trained."""
    kernel = keras.initializers.Constant(matrix[None, None])
    options = {"use_bias": False, "kernel_initializer": kernel, "trainable": False, "dtype": dtype}
    return layers.Conv2D(len(matrix), 1, name=name, **options)(x)


def _weights(preset, dtype):
    return {"use_bias": preset.bias, "kernel_initializer": _initializer(preset), "dtype": dtype}


def _initializer(preset):
    # Keras's unseeded initializers draw from its global seed, so one `set_random_seed` fixes them all.
    if preset.initializer == "normal":
        return keras.initializers.RandomNormal(stddev=0.02)
    if preset.initializer == "truncated_normal":
        return keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.initializers.GlorotUniform()


def _batch_norm(preset, dtype):
    gamma = keras.initializers.RandomNormal(1.0, 0.02) if preset.initializer == "normal" else "ones"
    return layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, gamma_initializer=gamma, dtype=dtype
    )
