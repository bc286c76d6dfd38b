"""Layers of every kind that a model file may contain, with arguments of every kind, to compare with Keras's own."""

from facegan.common import model_config

import keras
import numpy as np
from keras import layers as k

IMAGE = (6, 7, 4)


def stirred(model):
    """The model with weights that differ everywhere, so that a mix-up shows; variances stay positive."""
    random = np.random.RandomState(1)
    model.set_weights([0.3 * w + random.uniform(0.05, 0.5, w.shape) for w in model.get_weights()])
    return model


def alone(layer, shape=IMAGE):
    return stirred(keras.Sequential([keras.Input(shape), layer]))


CONVOLUTIONS = [
    {"filters": 8, "kernel_size": 3},
    {"filters": 8, "kernel_size": (3, 2), "padding": "same"},
    {"filters": 8, "kernel_size": 5, "padding": "same", "strides": 2, "activation": "relu"},
    {"filters": 2, "kernel_size": (2, 5), "padding": "same", "use_bias": False},
    {"filters": 2, "kernel_size": 3},
    {"filters": 2, "kernel_size": 3, "padding": "same", "dilation_rate": (2, 1)},
    {"filters": 8, "kernel_size": (2, 3), "dilation_rate": 2},
    {"filters": 8, "kernel_size": 4, "strides": (2, 3), "padding": "same"},
    {"filters": 2, "kernel_size": 1, "strides": 3},
    {"filters": 6, "kernel_size": 3, "padding": "same", "groups": 2},
]
TRANSPOSED = [
    {"filters": 3, "kernel_size": 4, "strides": 2, "padding": "same"},
    {"filters": 3, "kernel_size": 5, "strides": 2, "padding": "same", "activation": "tanh"},
    {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
    {"filters": 3, "kernel_size": 5, "padding": "same"},
    {"filters": 3, "kernel_size": (4, 2)},
    {"filters": 3, "kernel_size": (5, 4), "strides": (2, 3)},
    {"filters": 3, "kernel_size": 2, "strides": 3},
    {"filters": 3, "kernel_size": 2, "strides": 3, "padding": "same"},
    {"filters": 3, "kernel_size": 5, "strides": 3, "padding": "same"},
    {"filters": 3, "kernel_size": 5, "strides": 3, "padding": "same", "output_padding": 1},
    {"filters": 3, "kernel_size": 4, "strides": 2, "padding": "same", "output_padding": 1},
    {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1},
]
POOLED = [(2, None, "valid"), (3, 2, "same"), ((2, 3), 1, "same")]
ENLARGED = [(2, "nearest"), ((3, 1), "nearest"), (2, "bilinear"), ((2, 4), "bicubic"), (2, "lanczos3"), (4, "lanczos5")]
NORMALIZED = [(-1, True, True), (-1, True, False), (1, False, True), (2, False, False)]
CUT = [1, (2, 1), ((1, 0), (2, 3))]
OTHERS = [
    *(k.Activation(name) for name in model_config.ACTIVATIONS),
    *(k.MaxPooling2D(*settings) for settings in POOLED),
    *(k.AveragePooling2D(*settings) for settings in POOLED),
    *(k.UpSampling2D(size, interpolation=kind) for size, kind in ENLARGED),
    *(k.BatchNormalization(axis, 0.9, 0.01, center, scale) for axis, center, scale in NORMALIZED),
    *(kind(sides) for kind in (k.Cropping2D, k.ZeroPadding2D) for sides in CUT),
    *(kind(keepdims=keep) for kind in (k.GlobalAveragePooling2D, k.GlobalMaxPooling2D) for keep in (False, True)),
    *(k.PReLU(shared_axes=axes) for axes in (None, [1, 2])),
    *(k.ReLU(*settings) for settings in ((), (1.5,), (None, 0.3), (6.0, 0.2, 0.5), (None, 0.0, 0.5))),
    *(k.LeakyReLU(negative_slope=slope) for slope in (0.3, 1.5)),
    *(k.Softmax(axis) for axis in (-1, 1, [1, 2])),
    *(k.ELU(0.7), k.Dense(5, activation="gelu"), k.Flatten(), k.Reshape((-1, 8, 3))),
    *(k.Dropout(0.5), k.GaussianDropout(0.5), k.GaussianNoise(1.0), k.SpatialDropout2D(0.5)),
]
FORMATTED = [
    *(k.Conv2D(2, 3, 1, padding="same"), k.Conv2D(8, 3, 2), k.Conv2DTranspose(3, 4, 2, padding="same")),
    *(k.MaxPooling2D(3, 2), k.AveragePooling2D(2), k.UpSampling2D(2), k.ZeroPadding2D((1, 2)), k.Cropping2D((1, 2))),
    *(k.GlobalAveragePooling2D(keepdims=True), k.GlobalMaxPooling2D(), k.Flatten(), k.SpatialDropout2D(0.5)),
]


def every_layer():
    """One layer after another, made anew, since a layer is built only once."""
    yield from (k.Conv2D(**arguments) for arguments in CONVOLUTIONS)
    yield from (k.Conv2DTranspose(**arguments) for arguments in TRANSPOSED)
    yield from (type(layer).from_config(layer.get_config()) for layer in OTHERS)
