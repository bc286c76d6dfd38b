"""The layers to train with on a CPU give the numbers of Keras's own, forwards and backwards."""

import dataclasses

from facegan.common import generators, hardware, model_files
from facegan.training import networks, presets

import h5py
import keras
import numpy as np
import pytest
import tiny

if keras.backend.backend() != "tensorflow":
    pytest.skip("they are TensorFlow's", allow_module_level=True)

from facegan.training import fast_cpu_layers

import tensorflow as tf

# Kernel, stride, sides of the maps, channels in and out: as the presets have them, and whatever else a row may say.
SHAPES = [
    (3, 1, (8, 6), 5, 3),
    (5, 1, (6, 8), 3, 5),
    (7, 1, (8, 8), 4, 1),
    (5, 1, (7, 5), 9, 6),
    (4, 1, (8, 8), 6, 3),
    (4, 2, (8, 6), 3, 7),
    (4, 2, (8, 6), 7, 3),
    (5, 2, (8, 6), 7, 3),
    (3, 2, (8, 6), 7, 1),
    (7, 2, (8, 6), 7, 2),
    (3, 2, (20, 24), 9, 6),
    (3, 2, (7, 9), 6, 5),
    (5, 2, (7, 9), 6, 5),
]
ROUNDING = {"float32": 1e-5, "mixed_bfloat16": 1.5e-2}


def outputs_and_gradients(call, inputs, weights, seed=1):
    """What `call` gives, and the gradients of its sum, weighed at random, by the inputs and the weights."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = tf.cast(call(inputs), "float32")
        total = tf.reduce_sum(outputs * np.random.RandomState(seed).standard_normal(outputs.shape))
    return [outputs, *tape.gradient(total, [inputs, *weights])]


def assert_close(actual, wanted, rounding):
    """Each within `rounding` of its largest number; what should be 0 is told from the largest of all."""
    sizes = [float(tf.reduce_max(tf.abs(array))) for array in wanted]
    for ours, keras_own, size in zip(actual, wanted, sizes, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=0, atol=rounding * max(size, max(sizes) / 100))


def assert_as_in_keras(kind, dtype, kernel, stride, sides, before, after):
    random = np.random.RandomState(0)
    inputs = tf.cast(tf.constant(random.standard_normal((3, *sides, before)), "bfloat16"), "float32")
    results = []
    for module, precision in ((fast_cpu_layers, dtype), (keras.layers, "float32")):
        layer = getattr(module, kind)(after, kernel, strides=stride, padding="same", dtype=precision)
        layer.build(inputs.shape)
        fixed = np.random.RandomState(2)
        layer.set_weights([fixed.standard_normal(weight.shape) for weight in layer.get_weights()])
        results.append(outputs_and_gradients(layer, inputs, [weight.value for weight in layer.trainable_weights]))
    assert_close(*results, ROUNDING[dtype])


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
@pytest.mark.parametrize(("kernel", "stride", "sides", "before", "after"), SHAPES)
def test_a_convolution_and_its_gradients_are_those_of_keras(kind, dtype, kernel, stride, sides, before, after):
    assert_as_in_keras(kind, dtype, kernel, stride, sides, before, after)


@pytest.mark.parametrize("fast_bfloat16", [True, False])
@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 2), (5, 2)])
def test_gradients_of_many_channels_are_those_of_keras_on_any_processor(
    kind, kernel, stride, fast_bfloat16, monkeypatch
):
    processor = dataclasses.replace(hardware.find_cpu(), fast_bfloat16=fast_bfloat16)
    monkeypatch.setattr(hardware, "find_cpu", lambda: processor)
    assert_as_in_keras(kind, "float32", kernel, stride, (8, 6), 32, 33)


def test_a_convolution_without_bias_has_a_gradient_for_its_kernel_alone():
    layer = fast_cpu_layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)
    layer.build((None, 8, 8, 5))
    results = outputs_and_gradients(layer, tf.ones((2, 8, 8, 5)), [layer.kernel.value])
    assert [result.shape for result in results] == [(2, 4, 4, 6), (2, 8, 8, 5), (3, 3, 5, 6)]


def test_leaky_relu_and_its_gradient_are_those_of_keras():
    inputs = tf.constant(np.random.RandomState(0).standard_normal((4, 9)), "float32")
    layers = [module.LeakyReLU(negative_slope=0.2) for module in (fast_cpu_layers, keras.layers)]
    assert_close(*(outputs_and_gradients(layer, inputs, []) for layer in layers), 1e-6)


def test_the_gradient_of_a_bias_over_a_large_map_is_not_rounded_away_in_bfloat16():
    layer = fast_cpu_layers.Conv2DTranspose(8, 4, strides=2, padding="same", dtype="mixed_bfloat16")
    layer.build((None, 32, 32, 2))
    rising = tf.constant(np.random.RandomState(0).uniform(0, 1, (16, 64, 64, 8)), "bfloat16")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(tf.zeros((16, 32, 32, 2))) * rising, "float32"))
    gradient = tape.gradient(total, layer.bias.value)
    np.testing.assert_allclose(gradient, np.asarray(rising, "float64").sum((0, 1, 2)), rtol=5e-3)


@pytest.mark.parametrize("name", presets.PRESETS)
@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_networks_to_train_are_those_of_every_preset(name, kind):
    preset = dataclasses.replace(presets.PRESETS[name], dropout=0.0, d_dropout=0.0)
    build = {"generator": networks.build_generator, "discriminator": networks.build_discriminator}[kind]
    to_train, plain = (build(preset, preset.image_shape, to_train=value) for value in (True, False))
    assert fast_cpu_layers.Conv2D in map(type, to_train.layers) or fast_cpu_layers.Conv2DTranspose in map(
        type, to_train.layers
    )
    plain.set_weights(to_train.get_weights())
    inputs = tf.constant(np.random.RandomState(0).standard_normal((2, *plain.input_shape[1:])), "float32")
    results = [
        outputs_and_gradients(
            lambda inputs, network=network: network(inputs, training=True),
            inputs,
            [weight.value for weight in network.trainable_weights],
        )
        for network in (to_train, plain)
    ]
    assert_close(*results, 1e-3)


def test_a_network_to_train_is_saved_as_one_of_keras_own_layers(tmp_path):
    for build, kind in ((networks.build_generator, "generator"), (networks.build_discriminator, "discriminator")):
        model = build(tiny.TINY, tiny.TINY.image_shape, dtype="mixed_bfloat16", to_train=True)
        path = tmp_path / f"{kind}.h5"
        generators.save_model(model, path, {})
        with h5py.File(path) as file:
            assert "facegan" not in file.attrs["model_config"]
        loaded = model_files.load_model_file(path, kind)
        for saved, weights in zip(loaded.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(saved, weights)
