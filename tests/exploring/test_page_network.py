"""The generator in the page: its layers compute what Keras computes, and its random numbers are numpy's."""

import dataclasses
import json

from facegan.common import inference, latents, model_config
from facegan.exploring import page_network, web_pages
from facegan.training import networks, presets

import browser
import every_layer
import keras
import numpy as np
import pytest

pytestmark = browser.needed


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """A browser on a page that runs the worker's script and the random numbers."""
    folder = tmp_path_factory.mktemp("script")
    parts = [(web_pages.PAGES / name).read_text(encoding="utf-8") for name in ("random.js", *web_pages.WORKER)]
    (folder / "script.html").write_text(f"<meta charset=utf-8><script>{''.join(parts)}</script>", encoding="utf-8")
    with browser.opened(folder / "profile") as page:
        page.open(folder / "script.html")
        yield page


def computed(script, model, inputs):
    """What the page computes with a Keras model for inputs (n, …)."""
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    architecture = model_config.read_architecture(json.loads(model.to_json()))
    network, text = page_network.describe(inference.Network(architecture, weights))
    results = script.execute_script(
        "const network = new Network(arguments[0], bytesOf(arguments[1]));"
        "const results = arguments[2].map((numbers) => network.compute(numbers));"
        "return results.map(({shape, data}) => [shape, Array.from(data)])",
        network,
        text,
        [one.ravel().tolist() for one in inputs],
    )
    return np.array([np.reshape(data, shape) for shape, data in results])


def assert_as_in_keras(script, model, count=2):
    inputs = np.random.RandomState(0).normal(0, 2, (count, *model.input_shape[1:])).astype("float32")
    wanted = np.asarray(model(inputs, training=False))
    found = computed(script, model, inputs)
    assert found.shape == wanted.shape
    # Kernels have 11 significant bits in the page.
    np.testing.assert_allclose(found, wanted, atol=2e-3 * max(1, np.abs(wanted).max()))


def test_a_layer_of_every_kind_computes_in_the_page_what_it_does_in_keras(script):
    for layer in every_layer.every_layer():
        assert_as_in_keras(script, every_layer.alone(layer))


def test_layers_with_the_channels_first_compute_the_same_numbers(script):
    image = np.random.RandomState(1).normal(size=every_layer.IMAGE).astype("float32")
    for layer in every_layer.FORMATTED:
        last, first = (
            every_layer.alone(type(layer).from_config({**layer.get_config(), "data_format": order}), shape)
            for order, shape in (("channels_last", image.shape), ("channels_first", np.moveaxis(image, -1, 0).shape))
        )
        first.set_weights(last.get_weights())
        wanted = computed(script, last, [image])[0]
        found = computed(script, first, [np.moveaxis(image, -1, 0)])[0]
        np.testing.assert_array_equal(np.moveaxis(found, 0, -1) if found.ndim == 3 else found, wanted)


def test_paths_that_part_and_meet_compute_in_the_page_what_they_do_in_keras(script):
    image = keras.Input(every_layer.IMAGE)
    x = keras.layers.LeakyReLU()(image)
    y = keras.layers.Multiply()([x, keras.layers.GlobalAveragePooling2D(keepdims=True)(image)])
    x = keras.layers.Concatenate(axis=1)([keras.layers.Add()([x, y]), keras.layers.Concatenate(axis=1)([y, image])])
    assert_as_in_keras(script, every_layer.stirred(keras.Model(image, keras.layers.Dense(3)(x))))


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_the_generator_of_every_preset_draws_in_the_page_what_it_does_in_keras(script, preset):
    """With a quarter of the channels: the layers are what differs."""
    row = presets.PRESETS[preset]
    row = dataclasses.replace(
        row,
        stem=row.stem // 4,
        stem_layers=[(filters // 4, kernel) for filters, kernel in row.stem_layers],
        upsampling_blocks=[(filters // 4, kernel) for filters, kernel in row.upsampling_blocks],
    )
    model = networks.build_generator(row, row.image_shape)
    assert_as_in_keras(script, model, count=1)


def test_a_browser_without_vectors_computes_the_same(script):
    model = every_layer.alone(keras.layers.Conv2DTranspose(3, 4, 2, padding="same"))
    inputs = np.random.RandomState(1).normal(size=(1, *every_layer.IMAGE))
    vectors = computed(script, model, inputs)
    script.execute_script("window.vectors = vectorProduct; vectorProduct = () => null")
    plain = computed(script, model, inputs)
    script.execute_script("vectorProduct = window.vectors")
    assert script.execute_script("return vectorProduct(new WebAssembly.Memory({initial: 1})) !== null")
    np.testing.assert_allclose(plain, vectors, atol=1e-6)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_a_face_number_stands_for_the_same_latent_in_the_page_as_in_numpy(script, prior):
    numbers = [*range(1, 400), 10**6, 2**31 - 1, 2**31, latents.LARGEST_FACE]
    draw = "return arguments[0].map((number) => Array.from(latentOfNumber(number, 101, arguments[1])))"
    found = np.array(script.execute_script(draw, numbers, prior), np.float32)
    np.testing.assert_array_equal(found, latents.latents_of_faces(numbers, 101, prior))
