"""Model files: those that load draw the same in float32, and others are refused in one line."""

import base64
import marshal
import zipfile

from facegan.common.model_files import load_model_file, load_network

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras2_files import NEW, write_keras2_h5


def generator(head="float32"):
    """A small generator with two paths, so that no chain of layers can describe it."""
    latents = keras.Input((6,))
    x = layers.Dense(4 * 4 * 5)(latents)
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Reshape((4, 4, 5))(x))
    x = layers.BatchNormalization()(x)
    y = layers.Conv2DTranspose(4, 4, strides=2, padding="same")(x)
    x = layers.Concatenate()([layers.UpSampling2D()(x), y])
    x = layers.Conv2D(3, 3, padding="same")(x)
    images = layers.Activation("tanh", dtype=head)(layers.Conv2D(3, 3, padding="same")(x))
    return stir(keras.Model(latents, images))


def stir(model):
    random = np.random.RandomState(1)
    model.set_weights([weight + random.uniform(0.01, 0.1, weight.shape) for weight in model.get_weights()])
    return model


def discriminator(classes=1):
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(classes)])


def draw(model, count=3):
    return model.predict_on_batch(np.random.RandomState(2).normal(size=(count, 6)).astype("float32"))


def refusal(path, **kwargs):
    """The one line with which a file is refused."""
    for load in (load_network, load_model_file):
        with pytest.raises(ValueError) as caught:
            load(path, **kwargs)
        text = str(caught.value)
        assert text.startswith(f"{path}: ") and "\n" not in text
    return text


@pytest.fixture
def mixed_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(params=[".h5", ".keras"])
def ending(request):
    return request.param


def save(model, path):
    keras.saving.save_model(model, path, include_optimizer=False)
    return path


def test_a_generator_draws_the_same_pixels_when_loaded(tmp_path, ending):
    model = generator()
    loaded = load_model_file(save(model, tmp_path / f"g{ending}"))
    np.testing.assert_array_equal(draw(loaded), draw(model))


def test_the_content_counts_and_not_the_ending(tmp_path, ending):
    path = save(generator(), tmp_path / f"g{ending}")
    assert load_model_file(path.rename(tmp_path / "g.model")).output_shape == (None, 8, 8, 3)


def test_a_model_saved_under_a_mixed_policy_draws_in_float32(tmp_path, ending, mixed_policy):
    model = generator(head="mixed_bfloat16")
    assert draw(model).dtype != "float32"
    loaded = load_model_file(save(model, tmp_path / f"g{ending}"))
    assert {layer.compute_dtype for layer in loaded.layers if layer.weights} == {"float32"}
    assert draw(loaded).dtype == "float32"
    np.testing.assert_allclose(draw(loaded), draw(model).astype("float32"), atol=0.05)


OTHERS = {
    "a discriminator (8x8x3 in, 1 out)": discriminator,
    "a classifier of 10 classes (8x8x3 in, 10 out)": lambda: discriminator(10),
    "an image-to-image network (8x8x3 in, 8x8x3 out)": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")]
    ),
    "a model of 2 inputs and 1 outputs": lambda: keras.Model(
        inputs := [keras.Input((6,)), keras.Input((6,))], layers.Add()(inputs)
    ),
    "a generator and a discriminator in one": lambda: keras.Sequential([keras.Input((6,)), layers.Dense(1)]),
    "a network of another kind (6 in, 12 out)": lambda: keras.Sequential([keras.Input((6,)), layers.Dense(12)]),
}


@pytest.mark.parametrize("text", OTHERS)
def test_a_model_of_another_kind_is_refused_with_its_kind(tmp_path, text):
    path = save(OTHERS[text](), tmp_path / "other.keras")
    assert text in refusal(path) and "name a generator instead" in refusal(path)


def test_a_discriminator_is_loaded_where_one_is_wanted(tmp_path, ending):
    path = save(discriminator(), tmp_path / f"d{ending}")
    assert load_model_file(path, expected="discriminator").output_shape == (None, 1)
    path = save(generator(), tmp_path / f"g{ending}")
    assert "is a generator (6 in, 8x8x3 out)" in refusal(path, expected="discriminator")


def test_several_models_in_one_as_in_the_tutorials_are_refused(tmp_path, ending):
    stack = keras.Sequential([keras.Input((6,)), generator(), discriminator()])
    assert "several models in one" in refusal(save(stack, tmp_path / f"gan{ending}"))


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_lambda_is_refused_and_its_code_never_runs(tmp_path, ending, monkeypatch):
    ran = tmp_path / "ran"
    monkeypatch.setenv("FACEGAN_TEST_MARKER", str(ran))
    code = layers.Lambda(
        lambda x: [x, __import__("pathlib").Path(__import__("os").environ["FACEGAN_TEST_MARKER"]).touch()][0],
        output_shape=(6,),
    )
    model = keras.Sequential([keras.Input((6,)), code])
    path = save(model, tmp_path / f"lambda{ending}")
    draw(model)
    assert ran.exists()
    ran.unlink()
    assert "is a Lambda, which is not supported; code in files is never run" in refusal(path)
    assert not ran.exists()


def test_marshalled_code_of_keras_2_is_refused_wherever_it_is(tmp_path):
    ran = tmp_path / "ran"
    bytecode = marshal.dumps(compile(f"open({str(ran)!r}, 'w')", "evil", "exec"))
    function = [base64.b64encode(bytecode).decode(), None, None]

    def as_layer(config):
        config["config"]["layers"][1] = {"class_name": "Lambda", "config": {"name": "l", "function": function}}

    def as_activation(config):
        value = {"class_name": "__lambda__", "config": {"value": function}}
        config["config"]["layers"][1]["config"]["activation"] = value

    def as_initializer(config):
        value = {"class_name": "Lambda", "config": {"function": function, "function_type": "lambda"}}
        config["config"]["layers"][1]["config"]["kernel_initializer"] = value

    model = keras.Sequential([keras.Input((6,)), layers.Dense(12), layers.Reshape((2, 2, 3))])
    for change in (as_layer, as_activation):
        write_keras2_h5(model, tmp_path / "evil.h5", NEW, change)
        assert "code in files is never run" in refusal(tmp_path / "evil.h5")
    write_keras2_h5(model, tmp_path / "evil.h5", NEW, as_initializer)
    load_model_file(tmp_path / "evil.h5")  # initializers are not read
    assert not ran.exists()


def test_weights_in_other_files_are_never_opened(tmp_path):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(12), layers.Reshape((2, 2, 3))])
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones((6, 12), "float32")
    for link in (h5py.ExternalLink(secret, "/kernel"), h5py.SoftLink("/elsewhere"), None):
        write_keras2_h5(model, tmp_path / "g.h5")
        with h5py.File(tmp_path / "g.h5", "r+") as file:
            group = file["model_weights"][model.layers[0].name]
            name = group.attrs["weight_names"][0]
            del group[name]
            if link is None:
                group.create_dataset(name, (6, 12), "float32", external=[(str(secret), 0, 6 * 12 * 4)])
            else:
                group[name] = link
        assert "keeps its weights in other files" in refusal(tmp_path / "g.h5")


def test_a_file_of_weights_alone_is_refused(tmp_path):
    generator().save_weights(tmp_path / "g.weights.h5")
    assert "weights without their network" in refusal(tmp_path / "g.weights.h5")
    write_keras2_h5(discriminator(), tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5") as file, h5py.File(tmp_path / "weights.h5", "w") as copy:
        copy.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
    assert "weights without their network" in refusal(tmp_path / "weights.h5")


def test_a_file_cut_anywhere_is_refused_in_one_line(tmp_path, ending):
    whole = save(generator(), tmp_path / f"g{ending}").read_bytes()
    for length in range(10, len(whole), len(whole) // 20):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert "is damaged or cut short" in refusal(tmp_path / "cut")


def test_files_that_are_not_models_are_refused_with_what_they_are(tmp_path):
    def written(content):
        (tmp_path / "file").write_bytes(content)
        return refusal(tmp_path / "file")

    assert "is empty" in written(b"")
    assert "is not a model file (text)" in written(b"<html>\r\nNot found</html>")
    assert "git lfs pull" in written(b"version https://git-lfs.github.com/spec/v1\noid sha256:00")
    assert "neither HDF5 nor a .keras archive" in written(b"\x80\x04\x95\x00\x01")
    np.savez(tmp_path / "faces.npz", np.zeros(3))
    assert "an archive of arr_0.npy, not a .keras model" in refusal(tmp_path / "faces.npz")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = 1
    assert "without a Keras model" in refusal(tmp_path / "data.h5")
    assert "No such file" in refusal(tmp_path / "missing.h5")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    assert "a TensorFlow SavedModel" in refusal(tmp_path)


def test_damage_inside_a_complete_file_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(12), layers.Reshape((2, 2, 3))])

    def refused(change):
        write_keras2_h5(model, tmp_path / "g.h5", NEW, change)
        return refusal(tmp_path / "g.h5")

    dense = model.layers[0].name
    wrong_size = refused(lambda config: config["config"]["layers"][1]["config"].update(units=24))
    assert "cannot be built" in wrong_size
    no_units = refused(lambda config: config["config"]["layers"][1]["config"].pop("units"))
    assert "cannot be built" in no_units
    other_input = refused(lambda config: config["config"]["layers"][0]["config"].update(batch_input_shape=[None, 7]))
    assert f"has weights [(6, 12), (12,)] for the layer {dense}, which needs [(7, 12), (12,)]" in other_input
    write_keras2_h5(model, tmp_path / "g.h5")
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        group = file["model_weights"][dense]
        del group[group.attrs["weight_names"][0]]
        group.create_group(group.attrs["weight_names"][0])
    assert "is damaged" in refusal(tmp_path / "g.h5")
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        file.attrs["model_config"] = "{"
    assert "is damaged" in refusal(tmp_path / "g.h5")
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        file.attrs["keras_version"] = "1.2.2"
    assert "was saved by Keras 1.2.2" in refusal(tmp_path / "g.h5")


def test_a_keras_archive_without_a_model_in_it_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "g.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"")
    assert "is damaged" in refusal(tmp_path / "g.keras")
