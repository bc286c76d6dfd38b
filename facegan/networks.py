"""Builds the generator and the discriminator that a preset describes, for images of any size that halves evenly."""

import keras
from keras import layers

from facegan import devices, presets

# Keras's own momentum of 0.99 remembers hundreds of steps; these are the paper's implementations' settings.
BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5


def build_generator(preset, image_shape, latent_dim=None, dtype=None, to_train=False):
    """Build the network that draws images from latents.

    Args:
        preset: a row of `presets.PRESETS`.
        image_shape: (height, width, channels); sides as `presets.halvings` takes them.
        latent_dim: length of a latent; the preset's if None.
        dtype: Keras dtype policy of the layers; the global one if None. The last layer is float32 under any.
        to_train: whether it is to be trained: under TensorFlow on a CPU it is then made of `cpu_layers`, which give
            the numbers of Keras's layers in less time.

    Returns:
        A Functional model, latents (n, latent_dim) float32 → images (n, height, width, channels) float32 in the
        range of the preset's output activation.
    """
    height, width, channels = image_shape
    count = presets.halvings(height, width)
    hidden = count - 1 if preset.head_doubles else count
    smallest = (height >> count, width >> count, preset.stem)

    source = _source(to_train)
    latents = keras.Input((latent_dim or preset.latent_dim,), name="latents")
    x = layers.Dense(smallest[0] * smallest[1] * smallest[2], **_weights(preset, dtype))(latents)
    x = layers.Reshape(smallest, dtype=dtype)(x)
    x = _generator_tail(x, preset, dtype, source)
    for filters, kernel in preset.stem_layers:
        x = source.Conv2DTranspose(filters, kernel, padding="same", **_weights(preset, dtype))(x)
        x = _generator_tail(x, preset, dtype, source)
    for filters, kernel in _fit_to_size(preset.doublings, hidden):
        x = source.Conv2DTranspose(filters, kernel, strides=2, padding="same", **_weights(preset, dtype))(x)
        x = _generator_tail(x, preset, dtype, source)
    head, strides = (source.Conv2DTranspose, 2) if preset.head_doubles else (source.Conv2D, 1)
    x = head(channels, preset.head, strides=strides, padding="same", **_weights(preset, dtype))(x)
    images = layers.Activation(preset.output, dtype="float32", name="images")(x)
    return keras.Model(latents, images, name="generator")


def build_discriminator(preset, image_shape, dtype=None, to_train=False):
    """Build the network that tells real images from generated ones.

    Args:
        preset, image_shape, dtype, to_train: as for `build_generator`.

    Returns:
        A Functional model, images (n, height, width, channels) → logits (n, 1) float32, positive for real. It ends
        in a logit rather than a probability so that the loss stays exact where a sigmoid would round to 0 or 1.
    """
    count = presets.halvings(*image_shape[:2])
    beyond = len(preset.halvings) - presets.halvings(*preset.image_shape[:2])
    source = _source(to_train)
    images = x = keras.Input(image_shape, name="images")
    first = True
    stem = [(preset.d_stem, 1)] if preset.d_stem else []
    reversed_list = _fit_to_size(preset.halvings[::-1], count + beyond)
    for (filters, kernel), strides in stem + [(layer, 2) for layer in reversed_list[::-1]]:
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
    logits = layers.Dense(1, name="logits", **_weights(preset, "float32"))(x)
    return keras.Model(images, logits, name="discriminator")


def _source(to_train):
    """The module that convolutions and leaky ReLU are taken from."""
    if to_train and keras.backend.backend() == "tensorflow" and devices.find_device().kind == "cpu":
        from facegan import cpu_layers

        return cpu_layers
    return layers


def _generator_tail(x, preset, dtype, source):
    """What follows every layer of the generator but the last: batch norm, activation, dropout."""
    if preset.batch_norm:
        x = _batch_norm(preset, dtype)(x)
    if preset.activation == "relu":
        x = layers.ReLU(dtype=dtype)(x)
    else:
        x = source.LeakyReLU(negative_slope=preset.slope, dtype=dtype)(x)
    return layers.Dropout(preset.dropout, dtype=dtype)(x) if preset.dropout else x


def _fit_to_size(listed, count):
    """Cut a list of layers to `count`, or repeat its last, which must be the one nearest to full resolution."""
    return (tuple(listed) + (listed[-1],) * count)[:count]


def _weights(preset, dtype):
    return {"use_bias": preset.bias, "kernel_initializer": _initializer(preset), "dtype": dtype}


def _initializer(preset):
    # Unseeded initializers of Keras draw from its global seed, so one `set_random_seed` fixes all of them.
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
