"""What a judge compares with what, and that features of real images are computed once."""

import numpy as np
import pytest
from test_face_features import portraits

from facegan import feature_cache, plain_features, quality


def look_at_means(pixels):
    """Two features that tests can follow: an image's mean and deviation."""
    flat = pixels.reshape(len(pixels), -1) / 255
    return np.stack([flat.mean(1), flat.std(1)], 1), None


def squares(count, seed=0, brightest=256):
    return np.random.RandomState(seed).randint(0, brightest, (count, 4, 4, 1)).astype(np.uint8)


def test_a_judge_puts_real_images_below_changed_ones():
    judge = quality.Judge(squares(3000), count=500, look=look_at_means)
    real, darker = judge.figures(squares(500, 1)), judge.figures(squares(500, 1, brightest=200))
    assert real["frechet_distance"] < 0.001 < darker["frechet_distance"]
    assert real["kernel_distance"] < darker["kernel_low"]
    assert judge.floor["frechet_distance"] == pytest.approx(real["frechet_distance"], abs=0.001)
    assert real["coverage"] > 0.9
    assert real["face_share"] is None


def test_a_judge_compares_with_held_out_rows_and_takes_its_floor_from_the_others():
    seen = []

    def look_at_rows(rows):
        seen.append(rows)
        return look_at_means(squares(6000)[rows])

    held_out = np.arange(0, 6000, 3)
    judge = quality.Judge(squares(6000), held_out, 100, look_at_means, look_at_rows)
    assert judge.held_out
    np.testing.assert_array_equal(judge.real_rows, held_out)
    assert len(seen[1]) == 100
    assert not np.isin(seen[1], held_out).any()


def test_a_judge_without_enough_held_out_rows_draws_from_all_and_says_so():
    judge = quality.Judge(squares(1500), np.arange(99), 1000, look_at_means)
    assert not judge.held_out
    assert len(judge.real_rows) == 750
    assert judge.describe().startswith("quality: 1,000 generated against 750 real images")
    assert "750 other real ones" in judge.describe()


def test_a_judge_draws_the_same_real_rows_every_time_and_at_random():
    first, second = (quality.Judge(squares(9000), count=10, look=look_at_means).real_rows for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(first) == quality.REAL_COUNT
    assert first.mean() == pytest.approx(4500, rel=0.05)


def test_another_number_of_images_is_refused():
    judge = quality.Judge(squares(100), count=10, look=look_at_means)
    with pytest.raises(ValueError, match="takes 10 images, not 9"):
        judge.figures(squares(9))


def test_faces_are_told_from_other_images_and_each_kind_gets_its_features():
    faces = portraits(12)
    assert quality.are_faces(faces)
    assert quality.Judge(faces, count=2).real_face_share > 0.5
    assert not quality.are_faces(squares(20))
    judge = quality.Judge(squares(20), count=2)
    assert judge.features.shape == (18, 256)
    assert "by their pixels" in judge.describe()


def test_pixel_features_are_the_shrunk_images():
    halves = np.zeros((1, 32, 32, 1), np.uint8)
    halves[:, :, 16:] = 255
    features = plain_features.pixel_features(halves).reshape(16, 16)
    assert (features[:, :8] == -1).all()
    assert (features[:, 8:] == 1).all()
    assert plain_features.pixel_features(np.zeros((2, 80, 64, 3), np.uint8)).shape == (2, 243)


def test_a_classifier_sees_what_its_labels_tell_apart():
    labels = np.arange(600) % 2
    pixels = squares(600, brightest=120)
    pixels[labels == 1, :2] += 100
    look, accuracy = plain_features.train_classifier(np.repeat(np.repeat(pixels, 2, 1), 2, 2), labels)
    assert accuracy > 0.9
    features, scores = look(np.repeat(np.repeat(pixels[:8], 2, 1), 2, 2))
    assert features.shape == (8, 64)
    assert scores is None


class CountingLook:
    """Face features of a kind, that count how many images they were asked about."""

    def __init__(self):
        self.images = 0

    def __call__(self, pixels):
        self.images += len(pixels)
        return pixels.reshape(len(pixels), -1).astype(np.float32), pixels[:, 0, 0, 0].astype(np.float32)


def test_features_of_a_row_are_computed_once_and_kept_for_the_next_process(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "BLOCK", 3)
    pixels, look = squares(50), CountingLook()
    path = tmp_path / "faces.features.npz"
    known = feature_cache.FeatureCache(path, "abc", pixels, look)
    known.look_at_rows([9, 4, 30, 2])
    rows = [4, 9, 11, 2]
    again = feature_cache.FeatureCache(path, "abc", pixels, look)
    features, scores = again.look_at_rows(rows)
    assert look.images == 5
    np.testing.assert_array_equal(features, pixels[rows].reshape(4, -1))
    np.testing.assert_array_equal(scores, pixels[rows, 0, 0, 0])


@pytest.mark.parametrize("damage", ["other data", "cut short"])
def test_features_of_other_data_or_in_a_damaged_file_are_computed_anew(tmp_path, damage):
    pixels, look = squares(5), CountingLook()
    path = tmp_path / "faces.features.npz"
    feature_cache.FeatureCache(path, "abc", pixels, look).look_at_rows([0, 1])
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:100])
    fingerprint = "xyz" if damage == "other data" else "abc"
    feature_cache.FeatureCache(path, fingerprint, pixels, look).look_at_rows([0, 1])
    assert look.images == 4
    feature_cache.FeatureCache(path, fingerprint, pixels, look).look_at_rows([0, 1])
    assert look.images == 4


def test_nothing_is_written_where_nothing_is_to_be_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    feature_cache.FeatureCache(None, "abc", squares(5), CountingLook()).look_at_rows([0, 1])
    assert not list(tmp_path.iterdir())
