"""Files saved by Keras 2, made by a writer of its layouts and, where `tf_keras` is installed, by Keras 2 itself."""

import importlib.util
import subprocess
import sys

from facegan.common.model_config import read_architecture
from facegan.common.model_files import load_model_file
from facegan.training import networks, presets

import keras
import numpy as np
import pytest
from keras import layers
from keras2_files import FORMS, NEW, OLD, write_keras2_h5

# Loads each file, records what it draws, and saves it again: the files are then Keras 2's own.
KERAS2_SCRIPT = """
import sys
import numpy as np
import tf_keras

for name in sys.argv[1:]:
    model = tf_keras.models.load_model(name + ".h5", compile=False)
    np.save(name + "-out.npy", model.predict_on_batch(np.load(name + "-in.npy")))
    model.save(name + "-saved.h5")
    model.save(name + "-saved.keras")
"""


def small_network():
    """A generator with one of each layer that changed between Keras 2 and 3."""
    network = [
        keras.Input((10,)),
        layers.Dense(4 * 4 * 8),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Reshape((4, 4, 8)),
        layers.BatchNormalization(),
        layers.Conv2DTranspose(8, 4, strides=2, padding="same"),
        layers.ReLU(),
        layers.Dropout(0.5),
        layers.Conv2D(3, 3, padding="same", activation="tanh"),
    ]
    return stir(keras.Sequential(network))


def stir(model):
    """Give every weight a different value, batch norm's statistics too, so that a mix-up is noticed."""
    random = np.random.RandomState(1)
    model.set_weights([weight + random.uniform(0.01, 0.1, weight.shape) for weight in model.get_weights()])
    return model


def inputs_for(model, count=2):
    shape = (count, *model.input_shape[1:])
    return np.random.RandomState(2).normal(size=shape).astype("float32")


def build(preset, kind):
    make = {"generator": networks.build_generator, "discriminator": networks.build_discriminator}[kind]
    return stir(make(presets.PRESETS[preset], presets.PRESETS[preset].image_shape, dtype="float32"))


def assert_draws_the_same(loaded, model):
    batch = inputs_for(model)
    np.testing.assert_allclose(loaded.predict_on_batch(batch), model.predict_on_batch(batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_generator_in_each_form_of_keras_2_draws_the_same_pixels(tmp_path, form):
    model = small_network()
    write_keras2_h5(model, tmp_path / "generator.h5", form)
    assert_draws_the_same(load_model_file(tmp_path / "generator.h5"), model)


def test_a_slope_saved_as_an_array_is_read(tmp_path):
    def wrap(config):
        config["config"]["layers"][2]["config"]["alpha"] = {"type": "ndarray", "value": 0.3}

    write_keras2_h5(small_network(), tmp_path / "generator.h5", NEW, wrap)
    assert load_model_file(tmp_path / "generator.h5").layers[2].negative_slope == 0.3


@pytest.mark.filterwarnings("ignore:Argument `alpha` is deprecated")
def test_keras_itself_refuses_these_files(tmp_path):
    write_keras2_h5(small_network(), tmp_path / "generator.h5", NEW)
    with pytest.raises((TypeError, ValueError), match="groups"):
        keras.saving.load_model(tmp_path / "generator.h5", compile=False)


@pytest.mark.parametrize("preset", ["cifar32", "mnist28", "roses64"])
@pytest.mark.parametrize("kind", ["generator", "discriminator"])
def test_the_networks_of_a_preset_saved_by_keras_2_are_loaded(tmp_path, preset, kind):
    model = build(preset, kind)
    write_keras2_h5(model, tmp_path / "model.h5", OLD)
    loaded = load_model_file(tmp_path / "model.h5", expected=kind)
    assert loaded.count_params() == model.count_params()
    assert_draws_the_same(loaded, model)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("tf_keras"), reason="tf_keras is not installed")
def test_files_that_keras_2_itself_saved_draw_what_keras_2_draws(tmp_path):
    names = []
    for preset in (name for name, row in presets.PRESETS.items() if not row.modulation):  # those of tutorials
        for kind in ("generator", "discriminator"):
            model = build(preset, kind)
            name = str(tmp_path / f"{preset}-{kind}")
            write_keras2_h5(model, f"{name}.h5", FORMS[len(names) % len(FORMS)])
            np.save(f"{name}-in.npy", inputs_for(model))
            names.append(name)
    subprocess.run([sys.executable, "-c", KERAS2_SCRIPT, *names], check=True, capture_output=True)
    for name in names:
        wanted = np.load(f"{name}-out.npy")
        for ending in ("-saved.h5", "-saved.keras"):
            loaded = load_model_file(name + ending, expected=name.split("-")[-1])
            drawn = loaded.predict_on_batch(np.load(f"{name}-in.npy"))
            np.testing.assert_allclose(drawn, wanted, atol=1e-5, rtol=1e-4, err_msg=name + ending)


def first_layer(change):
    """A function for `write_keras2_h5` that changes the entry of the first layer after the input."""
    return lambda config: change(config["config"]["layers"][1])


REFUSED = {
    "a Lambda": (first_layer(lambda entry: entry.update(class_name="Lambda")), "layer dense.* is a Lambda"),
    "a class of the author's": (first_layer(lambda entry: entry.update(class_name="MyDense")), "is a MyDense"),
    "a class registered elsewhere": (first_layer(lambda entry: entry.update(registered_name="my>Dense")), "is a Dense"),
    "a module of the author's": (first_layer(lambda entry: entry.update(module="evil.layers")), "is a Dense"),
    "another activation": (
        first_layer(lambda entry: entry["config"].update(activation="mish2")),
        "activation mish2",
    ),
    "an object": (
        first_layer(lambda entry: entry["config"].update(activation={"class_name": "function", "config": "f"})),
        "has an object as its activation",
    ),
    "a hard sigmoid": (first_layer(lambda entry: entry["config"].update(activation="hard_sigmoid")), "hard_sigmoid"),
    "groups": (lambda config: config["config"]["layers"][5]["config"].update(groups=2), "with 2 groups"),
    "a model class of the author's": (lambda config: config.update(class_name="MyGAN"), "class MyGAN is custom code"),
    "models in a model": (first_layer(lambda entry: entry.update(class_name="Sequential")), "several models in one"),
    "no size": (lambda config: config["config"]["layers"].pop(0), "before it had an input size"),
    "no layers": (lambda config: config["config"].pop("layers"), "model config is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_in_one_line(tmp_path, case):
    change, text = REFUSED[case]
    write_keras2_h5(small_network(), tmp_path / "generator.h5", NEW, change)
    with pytest.raises(ValueError, match=text) as caught:
        load_model_file(tmp_path / "generator.h5")
    assert "generator.h5" in str(caught.value) and "\n" not in str(caught.value)


def test_a_layer_used_twice_or_called_with_arguments_is_refused():
    source = {"class_name": "InputLayer", "name": "a", "config": {"batch_input_shape": [None, 4]}, "inbound_nodes": []}
    dense = {"class_name": "Dense", "name": "b", "config": {"units": 4}}
    graph = {"layers": [source, dense], "input_layers": [["a", 0, 0]], "output_layers": [["b", 0, 0]]}
    config = {"class_name": "Functional", "config": graph}
    dense["inbound_nodes"] = [[["a", 0, 0, {}]]]
    assert read_architecture(config).layers[1].inputs == ("a",)
    dense["inbound_nodes"] = [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]
    with pytest.raises(ValueError, match="used twice"):
        read_architecture(config)
    dense["inbound_nodes"] = [[["a", 0, 0, {"training": True}]]]
    with pytest.raises(ValueError, match="called with arguments"):
        read_architecture(config)


def test_a_graph_and_a_list_of_layers_are_read_as_the_same_architecture(tmp_path):
    model = small_network()
    read = [read_architecture(write_keras2_h5(model, tmp_path / "g.h5", form)).layers[1:] for form in FORMS]
    for layer, *others in zip(*read, strict=True):
        for other in others:
            assert (layer.name, layer.class_name) == (other.name, other.class_name)
            assert {**layer.arguments, "groups": 1} == {**other.arguments, "groups": 1}
