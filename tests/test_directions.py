"""Directions, and the attributes that they are found by."""

import csv
from pathlib import Path

import numpy
import pytest
from matplotlib import cbook
from PIL import Image

from facegan import attributes, directions, face_features, runs, search

PRETRAINED = Path(__file__).parent.parent / "pretrained"


def test_a_direction_is_found_where_there_is_one_and_a_step_raises_it_by_a_deviation():
    random = numpy.random.RandomState(0)
    truth = random.standard_normal(20)
    points = random.standard_normal((2000, 20))
    values = 3 + points @ truth + 0.5 * numpy.linalg.norm(truth) * random.standard_normal(2000)
    step = directions.fit(points, values)
    assert step @ truth / numpy.linalg.norm(step) / numpy.linalg.norm(truth) > 0.99
    assert abs(step @ truth / values.std() - 1) < 0.05
    assert abs(directions.explained(step, points, values) - 1 / 1.25) < 0.03


def test_a_step_never_leaves_the_faces_where_little_is_explained():
    random = numpy.random.RandomState(0)
    points = random.standard_normal((2000, 100))
    step = directions.fit(points, random.standard_normal(2000))
    assert numpy.linalg.norm(step) <= 0.4 * numpy.linalg.norm(points, axis=1).mean() + 1e-5
    with pytest.raises(ValueError, match="same in all"):
        directions.fit(points, numpy.ones(2000))


def test_a_direction_comes_back_from_its_file(tmp_path):
    directions.save(directions.Direction(numpy.ones(4, numpy.float32), "abc"), tmp_path / "smile.npz")
    read = directions.read(tmp_path / "smile.npz")
    assert read.fingerprint == "abc" and read.step.tolist() == [1, 1, 1, 1]


def test_other_files_are_no_directions(tmp_path):
    (tmp_path / "text.npz").write_text("smile")
    numpy.savez(tmp_path / "latents.npz", numpy.zeros((2, 3)))
    numpy.savez(tmp_path / "square.npz", numpy.zeros((2, 3)), fingerprint=numpy.array("abc"))
    for name in ("text", "latents", "square", "missing"):
        with pytest.raises(ValueError) as caught:
            directions.read(tmp_path / f"{name}.npz")
        assert "\n" not in str(caught.value)


def portrait():
    """A public-domain portrait that comes with matplotlib, cut to the face: (96, 80, 3)."""
    with cbook.get_sample_data("grace_hopper.jpg") as file, Image.open(file) as photo:
        return numpy.asarray(photo.convert("RGB").crop((160, 70, 340, 310)).resize((80, 96)))


def test_landmarks_of_a_portrait_lie_where_eyes_nose_and_mouth_are():
    points = face_features.face_landmarks(face_features.face_features(portrait()[None]))[0]
    left_eye, right_eye, nose, mouth_left, mouth_right = points
    assert left_eye[0] < nose[0] < right_eye[0] and mouth_left[0] < mouth_right[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert points.min() > 0 and points.max() < 1


def test_a_mirrored_face_turns_and_tilts_the_other_way_and_smiles_the_same():
    image = portrait()
    measured = attributes.measure(numpy.stack([image, image[:, ::-1]]))
    assert abs(measured["smile"][0] - measured["smile"][1]) < 0.05
    assert measured["turn"][0] * measured["turn"][1] < 0 or abs(measured["turn"]).max() < 0.02
    assert abs(measured["tilt"].sum()) < 3
    assert measured["brightness"][0] == measured["brightness"][1]


def test_a_turned_portrait_tilts_by_as_much():
    pictures = [Image.fromarray(portrait()).rotate(degrees, Image.Resampling.BICUBIC) for degrees in (-8, 8)]
    tilts = attributes.measure(numpy.stack([numpy.asarray(picture) for picture in pictures]))["tilt"]
    assert 10 < tilts[0] - tilts[1] < 22


@pytest.fixture
def labelled(tmp_path):
    """A data set of portraits, brightened or not, with a csv that says which."""
    random = numpy.random.RandomState(0)
    bright = random.randint(0, 2, 200)
    shifts = bright * 60 + random.randint(-10, 10, 200)
    pixels = numpy.clip(portrait()[None].astype(int) // 2 + shifts[:, None, None, None], 0, 255).astype(numpy.uint8)
    numpy.savez(tmp_path / "faces.npz", pixels)
    with (tmp_path / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "row", "Bright", "Word"])
        writer.writerow(["lost.jpg", "", "1", "x"])
        writer.writerows([f"{k}.jpg", k, 2 * bright[k] - 1, "x"] for k in range(200))
    return tmp_path / "faces.npz", pixels, bright


def test_a_label_is_learnt_from_a_column_and_read_off_other_faces(labelled):
    path, pixels, bright = labelled
    label = attributes.Label(path, "Bright")
    assert label.agreement > 0.9
    read = label.measure(pixels)
    assert read[bright == 1].min() > read[bright == 0].max() - 0.2


@pytest.mark.parametrize("column", ["Missing", "Word"])
def test_a_column_that_is_missing_or_no_number_is_refused(labelled, column):
    with pytest.raises(ValueError, match=column):
        attributes.Label(labelled[0], column)


@pytest.mark.skipif(not list(PRETRAINED.glob("*.h5")), reason="there is no trained generator in pretrained/")
def test_a_trained_generator_smiles_more_along_its_smile(monkeypatch):
    monkeypatch.setattr(search, "STUDIED", 1_000)
    monkeypatch.setattr(search, "FRESH", 64)
    finding = search.Finding(runs.load_generator(next(PRETRAINED.glob("*.h5"))), "smile")
    assert finding.explained > 0.3
    assert finding.moved["smile"] == sorted(finding.moved["smile"]) and finding.moved["smile"][-1] > 1
