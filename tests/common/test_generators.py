"""Finding, loading and saving generators."""

import dataclasses

from facegan.common import generators, images
from facegan.training import networks, presets

import keras
import keras2_files
import numpy as np
import pytest
import tiny


def make(activation="tanh"):
    latents = keras.Input((8,))
    images = keras.layers.Dense(48, activation=activation)(latents)
    return keras.Model(latents, keras.layers.Reshape((4, 4, 3))(images))


def save(path, model=None, **notes):
    model = model or networks.build_generator(tiny.TINY, tiny.TINY.image_shape)
    generators.save_model(model, path, notes)
    return path


def test_a_run_folder_means_its_best_generator_or_else_its_newest(tmp_path):
    for number in ("002", "010", "100"):
        save(tmp_path / f"generator_model_{number}.h5")
    assert generators.find_generator(tmp_path).name == "generator_model_100.h5"
    save(tmp_path / "generator_average_100.h5")
    save(tmp_path / "generator_average_020.h5")
    assert generators.find_generator(tmp_path).name == "generator_average_100.h5", "draws better than the model beside"
    assert [path.stem[10:] for path in generators.checkpoints(tmp_path)] == [
        *("model_002", "model_010", "average_020", "model_100", "average_100")
    ]
    (tmp_path / "generator_best.h5").write_bytes((tmp_path / "generator_model_002.h5").read_bytes())
    assert generators.find_generator(tmp_path).name == "generator_best.h5"
    assert generators.find_generator(tmp_path / "generator_model_010.h5").name == "generator_model_010.h5"


def test_notes_are_stored_in_the_file(tmp_path):
    path = save(tmp_path / "generator_model_001.h5", latent_prior="uniform", step=7)
    assert generators.read_notes(path) == {"latent_prior": "uniform", "step": 7}
    generator = generators.load_generator(path)
    assert (generator.latent_prior, generator.pixel_range) == ("uniform", "tanh")
    assert (generator.latent_dim, generator.height, generator.width, generator.channels) == (8, 16, 16, 3)


def test_the_latent_prior_is_read_from_older_files_too_and_is_normal_without_notes(tmp_path):
    assert generators.load_generator(save(tmp_path / "older.h5", latents="uniform")).latent_prior == "uniform"
    keras.saving.save_model(make(), tmp_path / "plain.keras")
    assert generators.load_generator(tmp_path / "plain.keras").latent_prior == "normal"


def test_a_saved_file_is_float32_and_can_be_trained_further(tmp_path):
    model = networks.build_generator(tiny.TINY, tiny.TINY.image_shape, dtype="mixed_bfloat16")
    loaded = keras.models.load_model(save(tmp_path / "generator_model_001.h5", model), compile=False)
    assert len(loaded.trainable_weights) == len(model.trainable_weights) > 0
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class FastDense(keras.layers.Dense):
    plain_class = keras.layers.Dense


def test_a_layer_is_saved_as_its_plain_class(tmp_path):
    latents = keras.Input((8,))
    images = keras.layers.Reshape((4, 4, 3))(FastDense(48, activation="tanh", name="head")(latents))
    model = keras.Model(latents, images)
    loaded = keras.models.load_model(save(tmp_path / "fast.h5", model), compile=False)
    assert type(loaded.get_layer("head")) is keras.layers.Dense
    np.testing.assert_array_equal(loaded.get_layer("head").kernel, model.get_layer("head").kernel)


def test_a_face_has_the_same_pixels_alone_as_among_others(tmp_path):
    generator = generators.load_generator(save(tmp_path / "generator_model_001.h5"))
    latents = np.random.RandomState(1).standard_normal((70, 8)).astype("float32")
    many = generator.draw(latents)
    assert (many.shape, many.dtype) == ((70, 16, 16, 3), np.uint8)
    np.testing.assert_array_equal(generator.draw(latents[66:67]), many[66:67])


def narrow(preset):
    """A preset with an eighth of the filters."""
    blocks, layers = (
        tuple((max(1, filters // 8), kernel) for filters, kernel in part)
        for part in (preset.upsampling_blocks, preset.stem_layers)
    )
    return dataclasses.replace(preset, stem=preset.stem // 8, upsampling_blocks=blocks, stem_layers=layers)


def stirred(weight, random):
    """Other weights of the same shape, with which every layer's output is of about the same size."""
    if weight.ndim == 1:
        return weight + random.uniform(0, 0.1, weight.shape)
    return random.standard_normal(weight.shape) * 2 / np.sqrt(np.prod(weight.shape[:-2]) * max(weight.shape[-2:]))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_generator_of_every_preset_draws_within_one_level_of_keras_from_any_kind_of_file(tmp_path, name):
    preset = narrow(presets.PRESETS[name])
    model = networks.build_generator(preset, preset.image_shape)
    random = np.random.RandomState(1)
    model.set_weights([stirred(weight, random) for weight in model.get_weights()])
    generators.save_model(model, tmp_path / "keras3.h5", {})
    keras.saving.save_model(model, tmp_path / "keras3.keras")
    if not preset.modulation:  # the helper writes chains of layers, as Keras 2's tutorials had them
        keras2_files.write_keras2_h5(model, tmp_path / "keras2.h5", keras2_files.GRAPH)
    latents = random.standard_normal((5, preset.latent_dim))
    wanted = generators.KerasGenerator(None, model, "normal", preset.output, inverted=False).draw(latents)
    assert wanted.std() > 5
    for path in sorted(tmp_path.iterdir()):
        drawn = generators.load_generator(path).draw(latents)
        difference = np.abs(drawn.astype(int) - wanted)
        assert difference.max() <= 1 and difference.mean() < 1e-3, path.name


def test_different_files_have_different_fingerprints(tmp_path):
    first, second = (generators.load_generator(save(tmp_path / f"{name}.h5")).fingerprint for name in "ab")
    assert first != second


def test_the_range_of_images_follows_from_the_last_activation_which_must_be_bounded(tmp_path):
    assert generators.load_generator(save(tmp_path / "a.h5", make("sigmoid"))).pixel_range == "sigmoid"
    with pytest.raises(ValueError, match=r"b\.h5: ends in relu"):
        generators.load_generator(save(tmp_path / "b.h5", make("relu")))


def test_pictures_show_digits_dark_on_light_whatever_their_range(tmp_path):
    def inverted(activation, channels, **notes):
        latents = keras.Input((8,))
        pixels = keras.layers.Dense(16 * channels, activation=activation)(latents)
        model = keras.Model(latents, keras.layers.Reshape((4, 4, channels))(pixels))
        return generators.load_generator(save(tmp_path / "model.h5", model, **notes)).inverted

    assert inverted("tanh", 1, inverted=True), "as mnist28 saves it"
    assert not inverted("sigmoid", 1, inverted=False), "grey photographs"
    assert inverted("sigmoid", 1), "the MNIST tutorial's own files"
    assert not inverted("tanh", 1) and not inverted("sigmoid", 3)
    assert images.as_shown(np.zeros((1, 4, 4, 1), np.uint8), True).min() == 255


def test_a_path_without_a_generator_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such file or run folder"):
        generators.find_generator(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no generator_model_\*"):
        generators.find_generator(tmp_path)


def test_a_generator_that_takes_a_latent_as_an_image_of_one_pixel_draws(tmp_path):
    latents = keras.Input((1, 1, 8))
    model = keras.Model(latents, keras.layers.Conv2DTranspose(3, 4, activation="tanh")(latents))
    generator = generators.load_generator(save(tmp_path / "pixel.h5", model))
    points = generator.latents_of(range(1, 4))
    assert points.shape == (3, 8)
    drawn = generator.draw(points)
    assert np.abs(drawn.astype(int) - generator.in_keras().draw(points)).max() <= 1 and drawn.std() > 1
