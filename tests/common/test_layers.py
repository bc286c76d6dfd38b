"""Every layer that a saved network may contain computes in numpy what it computes in Keras."""

import json

from facegan.common import inference, layers, model_config

import keras
import numpy as np
import pytest
from every_layer import CONVOLUTIONS, FORMATTED, IMAGE, OTHERS, TRANSPOSED, alone, stirred
from keras import layers as k


def network_of(model):
    """The numpy network of a Keras model."""
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    return inference.Network(model_config.read_architecture(json.loads(model.to_json())), weights)


def assert_equal_to_keras(model):
    inputs = [
        np.random.RandomState(number).normal(0, 2, (3, *tensor.shape[1:])).astype("float32")
        for number, tensor in enumerate(model.inputs)
    ]
    wanted = np.asarray(model(inputs if len(inputs) > 1 else inputs[0], training=False))
    kept = [array.copy() for array in inputs]
    network = network_of(model)
    assert network.output_shapes == [wanted.shape[1:]]
    computed = np.stack([network(*one) for one in zip(*inputs, strict=True)])
    assert computed.dtype == np.float32
    np.testing.assert_allclose(computed, wanted, atol=2e-6 * max(1, np.abs(wanted).max()), rtol=1e-5)
    np.testing.assert_array_equal(inputs, kept)


@pytest.mark.parametrize("arguments", CONVOLUTIONS, ids=str)
def test_a_convolution_equals_that_of_keras(arguments):
    assert_equal_to_keras(alone(k.Conv2D(**arguments)))


@pytest.mark.parametrize("arguments", TRANSPOSED, ids=str)
def test_a_transposed_convolution_equals_that_of_keras(arguments):
    assert_equal_to_keras(alone(k.Conv2DTranspose(**arguments)))


@pytest.mark.parametrize("layer", OTHERS, ids=lambda layer: layer.name)
def test_any_other_layer_equals_that_of_keras(layer):
    assert_equal_to_keras(alone(layer))


def test_a_transposed_convolution_with_gaps_in_its_kernel_is_one_with_zeros_in_them():
    """Keras has no such convolution on a CPU under TensorFlow."""
    sparse = alone(k.Conv2DTranspose(3, 3, padding="same", dilation_rate=2))
    dense = alone(k.Conv2DTranspose(3, 5, padding="same"))
    kernel, bias = sparse.get_weights()
    wide = np.zeros((5, 5, 3, 4), "float32")
    wide[::2, ::2] = kernel
    dense.set_weights([wide, bias])
    image = np.random.RandomState(1).normal(size=IMAGE).astype("float32")
    np.testing.assert_allclose(network_of(sparse)(image), network_of(dense)(image), atol=1e-5)


@pytest.mark.parametrize("layer", FORMATTED, ids=lambda layer: layer.name)
def test_a_layer_with_the_channels_first_computes_the_same_numbers(layer):
    last = alone(type(layer).from_config({**layer.get_config(), "data_format": "channels_last"}))
    first = alone(type(layer).from_config({**layer.get_config(), "data_format": "channels_first"}), (4, 6, 7))
    first.set_weights(last.get_weights())
    image = np.random.RandomState(1).normal(size=IMAGE).astype("float32")
    wanted, computed = network_of(last)(image), network_of(first)(np.moveaxis(image, -1, 0))
    assert network_of(first).output_shapes == [computed.shape] == [first.output_shape[1:]]
    np.testing.assert_array_equal(np.moveaxis(computed, 0, -1) if computed.ndim == 3 else computed, wanted)


def test_paths_that_part_and_meet_equal_those_of_keras():
    """No layer may overwrite what another still needs."""
    image, other = keras.Input(IMAGE), keras.Input(IMAGE)
    x = k.Dropout(0.5)(image)
    y = k.LeakyReLU()(k.Activation("linear")(x))
    z = k.Activation("tanh")(k.Reshape((6, 28))(x))
    x = k.Add()([y, other, x])
    x = k.Multiply()([k.ReLU()(x), k.Reshape(IMAGE)(z), image])
    x = k.Concatenate()([x, k.Concatenate(axis=1)([k.Cropping2D(((0, 3), (0, 0)))(y)] * 2)])
    assert_equal_to_keras(stirred(keras.Model([image, other], k.Dense(3)(x))))


def test_every_layer_and_argument_that_files_may_contain_is_known():
    assert layers.LAYERS.keys() == model_config.LAYERS.keys() - {"InputLayer"}
    assert layers.ACTIVATIONS.keys() == set(model_config.ACTIVATIONS)


REFUSED = {
    "takes inputs of any size": lambda: keras.Sequential([keras.Input((None, None, 3)), k.Conv2D(2, 3)]),
    "numbers of classes": lambda: keras.Sequential([keras.Input((1,)), k.Embedding(3, 4)]),
    "its output would be": lambda: keras.Sequential([keras.Input((8, 8, 3)), k.UpSampling2D(100_000)]),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_network_that_cannot_be_computed_is_refused(text):
    with pytest.raises(ValueError, match=text):
        network_of(REFUSED[text]())
