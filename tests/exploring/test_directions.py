"""Directions, and the attributes and labels that they are fitted to."""

import csv
import dataclasses
from pathlib import Path

from facegan.common import generators
from facegan.exploring import direction_search, directions
from facegan.metrics import face_features
from facegan.training import networks

import drawing
import numpy as np
import pytest
import tiny
from matplotlib import cbook
from PIL import Image

PRETRAINED = Path(__file__).parents[2] / "pretrained"


def test_a_fitted_step_raises_the_value_by_one_standard_deviation():
    random = np.random.RandomState(0)
    truth = random.standard_normal(20)
    points = random.standard_normal((2000, 20))
    values = 3 + points @ truth + 0.5 * np.linalg.norm(truth) * random.standard_normal(2000)
    step = directions.fit(points, values)
    assert step @ truth / np.linalg.norm(step) / np.linalg.norm(truth) > 0.99
    assert abs(step @ truth / values.std() - 1) < 0.05
    assert abs(directions.explained(step, points, values) - 1 / 1.25) < 0.03


def test_a_step_stays_short_when_the_values_are_random():
    random = np.random.RandomState(0)
    points = random.standard_normal((2000, 100))
    step = directions.fit(points, random.standard_normal(2000))
    assert np.linalg.norm(step) <= 0.4 * np.linalg.norm(points, axis=1).mean() + 1e-5
    with pytest.raises(ValueError, match="all the same"):
        directions.fit(points, np.ones(2000))


def first_layer_moves(generator, step):
    """How far a step moves the generator's first Dense layer."""
    import keras

    kernel = next(layer for layer in generator.model.layers if isinstance(layer, keras.layers.Dense)).get_weights()[0]
    return np.linalg.norm(step @ kernel)


def test_unsupervised_directions_move_the_first_layer_most_and_are_at_right_angles(tmp_path):
    generator = generators.load_generator(drawing.save_generator(tmp_path / "g.h5"))
    steps, shares = directions.unsupervised(generator, drawing.LATENT_DIM)
    moves = [first_layer_moves(generator, step) for step in steps]
    assert moves == sorted(moves, reverse=True)
    random = np.random.RandomState(0).standard_normal((50, drawing.LATENT_DIM))
    assert all(first_layer_moves(generator, 2 * step / np.linalg.norm(step)) < moves[0] for step in random)
    np.testing.assert_allclose(steps @ steps.T, 4 * np.eye(drawing.LATENT_DIM), atol=1e-5)
    np.testing.assert_allclose(shares, np.square(moves) / np.sum(np.square(moves)), rtol=1e-4)
    assert all(step[np.abs(step).argmax()] > 0 for step in steps)


def test_layers_that_take_the_latent_side_by_side_count_as_one(tmp_path):
    preset = dataclasses.replace(tiny.TINY, modulation=3)
    model = networks.build_generator(preset, preset.image_shape)
    model.save(tmp_path / "g.keras")
    steps, shares = directions.unsupervised(generators.load_generator(tmp_path / "g.keras"), preset.latent_dim)
    first = np.concatenate([w for w in model.get_weights() if w.ndim == 2 and len(w) == preset.latent_dim], axis=1)
    assert first.shape[1] == 4 * 4 * preset.stem + 3
    moves = np.linalg.norm(steps @ first, axis=1)
    np.testing.assert_allclose(shares, np.square(moves) / np.sum(np.square(moves)), rtol=1e-4)


def test_fewer_unsupervised_directions_are_the_first_of_more(tmp_path):
    generator = generators.load_generator(drawing.save_generator(tmp_path / "g.h5", latent_prior="uniform"))
    three, five = (directions.unsupervised(generator, count)[0] for count in (3, 5))
    np.testing.assert_array_equal(three, five[:3])
    deviation = generator.latents_of(range(1, 2001)).std()
    assert np.allclose(np.linalg.norm(five, axis=1), 2 * deviation, rtol=0.02)
    with pytest.raises(ValueError, match="auto9: there are only auto1 to auto8"):
        directions.unsupervised(generator, 9)


def test_a_generator_may_begin_with_a_transposed_convolution_of_one_pixel(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Reshape((1, 1, 5)), keras.layers.Conv2DTranspose(3, 4, activation="tanh")]
    keras.Sequential([keras.Input((5,)), *layers]).save(tmp_path / "g.keras")
    generator = generators.load_generator(tmp_path / "g.keras")
    steps, _ = directions.unsupervised(generator, 5)
    kernel = layers[1].get_weights()[0]
    moves = [np.linalg.norm(kernel @ step) for step in steps]
    assert moves == sorted(moves, reverse=True) and moves[0] > 1.2 * moves[-1]


def test_a_saved_direction_reads_back(tmp_path):
    directions.save(directions.Direction(np.ones(4, np.float32), "abc"), tmp_path / "smile.npz")
    read = directions.read(tmp_path / "smile.npz")
    assert read.fingerprint == "abc" and read.step.tolist() == [1, 1, 1, 1]


def test_a_file_that_is_not_a_direction_is_refused_by_its_path(tmp_path):
    (tmp_path / "text.npz").write_text("smile")
    np.savez(tmp_path / "latents.npz", np.zeros((2, 3)))
    np.savez(tmp_path / "square.npz", np.zeros((2, 3)), fingerprint=np.array("abc"))
    for name in ("text", "latents", "square", "missing"):
        with pytest.raises(ValueError) as caught:
            directions.read(tmp_path / f"{name}.npz")
        assert str(caught.value).startswith(f"{tmp_path / name}.npz: ") and "\n" not in str(caught.value)


def portrait():
    """A public-domain portrait that comes with matplotlib, cut to the face: (96, 80, 3)."""
    with cbook.get_sample_data("grace_hopper.jpg") as file, Image.open(file) as photo:
        return np.asarray(photo.convert("RGB").crop((160, 70, 340, 310)).resize((80, 96)))


def test_landmarks_of_a_portrait_are_on_its_eyes_nose_and_mouth():
    points = face_features.face_landmarks(face_features.face_features(portrait()[None]))[0]
    left_eye, right_eye, nose, mouth_left, mouth_right = points
    assert left_eye[0] < nose[0] < right_eye[0] and mouth_left[0] < mouth_right[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert points.min() > 0 and points.max() < 1


def test_a_mirrored_face_turns_and_tilts_the_other_way_and_smiles_as_much():
    image = portrait()
    measured = direction_search.measure(np.stack([image, image[:, ::-1]]))
    assert tuple(measured) == directions.ATTRIBUTES
    assert abs(measured["smile"][0] - measured["smile"][1]) < 0.05
    assert measured["turn"][0] * measured["turn"][1] < 0 or abs(measured["turn"]).max() < 0.02
    assert abs(measured["tilt"].sum()) < 3
    assert measured["brightness"][0] == measured["brightness"][1]


def test_a_rotated_portrait_tilts_by_as_much():
    pictures = [Image.fromarray(portrait()).rotate(degrees, Image.Resampling.BICUBIC) for degrees in (-8, 8)]
    tilts = direction_search.measure(np.stack([np.asarray(picture) for picture in pictures]))["tilt"]
    assert 10 < tilts[0] - tilts[1] < 22


@pytest.fixture
def labelled(tmp_path):
    """A data set of portraits, brightened or not, with a csv that says which."""
    random = np.random.RandomState(0)
    bright = random.randint(0, 2, 200)
    shifts = bright * 60 + random.randint(-10, 10, 200)
    pixels = np.clip(portrait()[None].astype(int) // 2 + shifts[:, None, None, None], 0, 255).astype(np.uint8)
    np.savez(tmp_path / "faces.npz", pixels)
    with (tmp_path / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "row", "Bright", "Word"])
        writer.writerow(["lost.jpg", "", "1", "x"])
        writer.writerows([f"{k}.jpg", k, 2 * bright[k] - 1, "x"] for k in range(200))
    return tmp_path / "faces.npz", pixels, bright


def test_a_label_learnt_from_a_column_is_measured_on_images(labelled):
    path, pixels, bright = labelled
    label = direction_search.Label(*direction_search.read_labels(path, "Bright"))
    assert label.agreement > 0.9
    values = label.measure(pixels)
    assert values[bright == 1].min() > values[bright == 0].max() - 0.2


@pytest.mark.parametrize("column", ["Missing", "Word"])
def test_a_column_that_is_missing_or_is_not_numbers_is_refused(labelled, column):
    with pytest.raises(ValueError, match=column):
        direction_search.read_labels(labelled[0], column)


def test_a_csv_of_another_data_set_is_refused(labelled):
    np.savez(labelled[0], labelled[1][:150])
    with pytest.raises(ValueError, match="row 199"):
        direction_search.read_labels(labelled[0], "Bright")


@pytest.mark.skipif(not list(PRETRAINED.glob("*.h5")), reason="there is no trained generator in pretrained/")
def test_a_trained_generator_smiles_more_along_its_smile(monkeypatch):
    monkeypatch.setattr(direction_search, "STUDIED", 1_000)
    monkeypatch.setattr(direction_search, "FRESH", 64)
    finding = direction_search.search(generators.load_generator(next(PRETRAINED.glob("*.h5"))), "smile")
    assert finding.explained > 0.3
    assert finding.changes["smile"] == sorted(finding.changes["smile"]) and finding.changes["smile"][-1] > 1
