"""Finding and loading generators."""

import keras
import numpy
import pytest
import tiny

from facegan import commands, networks, runs


def make(activation="tanh"):
    latents = keras.Input((8,))
    images = keras.layers.Dense(48, activation=activation)(latents)
    return keras.Model(latents, keras.layers.Reshape((4, 4, 3))(images))


def save(path, model=None, **notes):
    model = model or networks.build_generator(tiny.TINY, tiny.TINY.image_shape)
    runs.save_model(model, path, notes)
    return path


def test_a_run_folder_stands_for_its_best_else_its_newest_generator(tmp_path):
    for number in ("002", "010", "100"):
        save(tmp_path / f"generator_model_{number}.h5")
    assert runs.find_generator(tmp_path).name == "generator_model_100.h5"
    (tmp_path / "generator_best.h5").write_bytes((tmp_path / "generator_model_002.h5").read_bytes())
    assert runs.find_generator(tmp_path).name == "generator_best.h5"
    assert runs.find_generator(tmp_path / "generator_model_010.h5").name == "generator_model_010.h5"


def test_notes_travel_inside_the_file(tmp_path):
    path = save(tmp_path / "generator_model_001.h5", latents="uniform", step=7)
    assert runs.read_notes(path) == {"latents": "uniform", "step": 7}
    generator = runs.load_generator(path)
    assert (generator.distribution, generator.pixel_range) == ("uniform", "tanh")
    assert (generator.latent_dim, generator.height, generator.width, generator.channels) == (8, 16, 16, 3)


def test_a_saved_file_is_float32_and_can_be_trained_further(tmp_path):
    model = networks.build_generator(tiny.TINY, tiny.TINY.image_shape, dtype="mixed_bfloat16")
    loaded = keras.models.load_model(save(tmp_path / "generator_model_001.h5", model), compile=False)
    assert len(loaded.trainable_weights) == len(model.trainable_weights) > 0
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        numpy.testing.assert_array_equal(ours, theirs)


def test_a_face_has_the_same_pixels_alone_as_among_others(tmp_path):
    generator = runs.load_generator(save(tmp_path / "generator_model_001.h5"))
    latents = numpy.random.RandomState(1).standard_normal((70, 8)).astype("float32")
    many = generator.draw(latents)
    assert (many.shape, many.dtype) == ((70, 16, 16, 3), numpy.uint8)
    numpy.testing.assert_array_equal(generator.draw(latents[66:67]), many[66:67])


def test_the_fingerprint_tells_files_apart(tmp_path):
    first, second = (runs.load_generator(save(tmp_path / f"{name}.h5")).fingerprint for name in "ab")
    assert first != second


def test_the_activation_counts_even_before_a_reshape_and_an_unbounded_one_is_refused(tmp_path):
    assert runs.load_generator(save(tmp_path / "a.h5", make("sigmoid"))).pixel_range == "sigmoid"
    with pytest.raises(commands.UserError, match=r"MODEL .*b\.h5: ends in relu"):
        runs.load_generator(save(tmp_path / "b.h5", make("relu")))


def test_a_path_without_a_generator_says_what_is_missing(tmp_path):
    with pytest.raises(commands.UserError, match="no such file or run folder"):
        runs.find_generator(tmp_path / "nowhere")
    with pytest.raises(commands.UserError, match=r"holds no generator_model_\*"):
        runs.find_generator(tmp_path)
