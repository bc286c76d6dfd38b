"""What a metric compares with what, and that the features of real images are computed once."""

import dataclasses
import io

from facegan.metrics import plain_features, quality

import numpy as np
import pytest
from PIL import Image, ImageFilter
from portraits import portrait, portraits


@pytest.fixture(autouse=True)
def few_local_images(monkeypatch):
    monkeypatch.setattr(quality, "LOCAL_COUNT", 200)


def means(pixels):
    """Two features that are easy to follow: an image's mean and deviation."""
    flat = pixels.reshape(len(pixels), -1) / 255
    return np.stack([flat.mean(1), flat.std(1)], 1)


def mean_metric(pixels, held_out_rows=(), count=None):
    cache = quality.FeatureCache(pixels, quality.Features("their means", means))
    return quality.QualityMetric(pixels, held_out_rows, count, cache)


def squares(count, seed=0, brightest=256):
    return np.random.RandomState(seed).randint(0, brightest, (count, 4, 4, 1)).astype(np.uint8)


def test_real_images_are_closer_than_changed_ones():
    metric = mean_metric(squares(3000), count=500)
    real, darker = metric.figures(squares(500, 1)), metric.figures(squares(500, 1, brightest=200))
    assert real.frechet_distance < 0.001 < darker.frechet_distance
    assert real.kernel_distance < darker.kernel_low
    assert metric.floor.frechet_distance == pytest.approx(real.frechet_distance, abs=0.001)
    assert real.coverage > 0.9


def test_a_metric_compares_with_held_out_rows_and_takes_its_floor_from_the_others(monkeypatch):
    computed, of_rows = [], quality.FeatureCache.of_rows
    monkeypatch.setattr(quality.FeatureCache, "of_rows", lambda *call: computed.append(call[1]) or of_rows(*call))
    held_out = np.arange(0, 6000, 3)
    metric = mean_metric(squares(6000), held_out, 100)
    assert metric.held_out
    np.testing.assert_array_equal(metric.real_rows, held_out)
    assert len(computed[1]) == 100
    assert not np.isin(computed[1], held_out).any()


def test_a_metric_without_enough_held_out_rows_draws_from_all_and_says_so():
    metric = mean_metric(squares(1500), np.arange(99), 1000)
    assert not metric.held_out
    assert len(metric.real_rows) == 750
    assert metric.describe().startswith("quality: 1,000 generated against 750 real images, compared by their means")
    assert "1x real is the distance of 750 other real images (0.0" in metric.describe()


def test_the_real_rows_are_random_but_the_same_every_time():
    first, second = (mean_metric(squares(9000), count=10).real_rows for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(first) == quality.REAL_COUNT
    assert first.mean() == pytest.approx(4500, rel=0.05)


def test_too_few_images_for_a_floor_are_refused():
    with pytest.raises(ValueError, match="3 images are too few"):
        mean_metric(squares(3))


def test_another_number_of_images_is_refused():
    metric = mean_metric(squares(100), count=10)
    with pytest.raises(ValueError, match="takes 10 images, not 9"):
        metric.figures(squares(9))


def test_a_log_gets_every_figure_that_has_a_label():
    figures = mean_metric(squares(100), count=10).figures(squares(10))
    assert tuple(figures.logged()) == quality.FIGURES == tuple(quality.LABELS)
    assert figures.logged()["coverage"] == figures.coverage
    assert "kernel_low" not in quality.FIGURES


def test_faces_are_told_from_other_images_and_each_kind_gets_its_features():
    pixels = portraits(12)
    assert quality.are_faces(pixels)
    assert "by what the face detector sees" in quality.QualityMetric(pixels, count=4).describe()
    assert not quality.are_faces(squares(20))
    metric = quality.QualityMetric(squares(20), count=2)
    assert metric.real_features.shape == (18, 256)
    assert "by their pixels" in metric.describe()


def faces(count, seed):
    """One face at random places, sizes and brightnesses, with a random tint: uint8 (count, 40, 40, 3)."""
    random, photo = np.random.RandomState(seed), Image.fromarray(portrait(120))
    pictures = np.empty((count, 40, 40, 3))
    for picture in pictures:
        left, top, side = *random.randint(0, 12, 2), random.randint(96, 108)
        picture[:] = photo.resize((40, 40), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    pictures *= random.uniform(0.6, 1.1, (count, 1, 1, 3))
    return np.clip(pictures, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def measured():
    """A function from the damage done to other real faces to their `Figures`, relative to those of whole ones."""
    pixels, others = faces(600, 0), faces(200, 1)
    metric = quality.QualityMetric(pixels, count=200, cache=quality.FeatureCache(pixels, quality.FACES))
    undamaged = metric.figures(others)

    def measure(damage):
        figures = metric.figures(damage(others))
        ratios = {name: getattr(figures, name) / getattr(undamaged, name) for name in ("times_real", *quality.PARTS)}
        return dataclasses.replace(figures, **ratios)

    measure.undamaged = undamaged
    return measure


def blurred(pixels):
    pictures = [Image.fromarray(image).filter(ImageFilter.GaussianBlur(1)) for image in pixels]
    return np.stack([np.asarray(picture) for picture in pictures])


def faded(pixels):
    means = pixels.mean((1, 2), keepdims=True)
    return np.rint(means + 0.6 * (pixels - means)).astype(np.uint8)


def test_other_real_faces_are_at_about_once_the_distance_of_real_ones(measured):
    for name in ("times_real", *quality.PARTS):
        assert 0.3 < getattr(measured.undamaged, name) < 3


def test_a_mesh_of_period_two_raises_texture(measured):
    board = 16 * (np.indices((40, 40)).sum(0) % 2 * 2 - 1)[..., None]
    figures = measured(lambda pixels: np.clip(pixels + board, 0, 255).astype(np.uint8))
    assert figures.texture > 3
    assert figures.whole < 1.5


def test_what_jpeg_and_faint_noise_leave_behind_raises_texture(measured):
    def compressed(pixels):
        files = [io.BytesIO() for _ in pixels]
        for image, file in zip(pixels, files, strict=True):
            Image.fromarray(image).save(file, "JPEG", quality=30)
        return np.stack([np.asarray(Image.open(file)) for file in files])

    noise = np.random.RandomState(3).normal(0, 5, (200, 40, 40, 3))
    assert measured(compressed).texture > 2
    assert measured(lambda pixels: np.clip(pixels + noise, 0, 255).astype(np.uint8)).texture > 2


def test_places_that_never_vary_in_real_images_count_only_where_something_is_drawn():
    pixels = np.zeros((300, 28, 28, 1), np.uint8)
    pixels[:, 8:20, 8:20] = np.random.RandomState(0).randint(0, 256, (300, 12, 12, 1))
    metric = quality.QualityMetric(pixels, count=100, cache=quality.FeatureCache(pixels, quality.PIXELS))
    drawn = pixels[:100].copy()
    assert metric.figures(drawn).texture < 2
    drawn[:, :4, :4] = np.random.RandomState(1).randint(0, 256, (100, 4, 4, 1))
    assert 2 < metric.figures(drawn).texture < 100


def test_blur_raises_every_part(measured):
    figures = measured(blurred)
    assert min(figures.whole, figures.texture, figures.detail) > 3


def test_halves_of_two_people_raise_the_whole(measured):
    figures = measured(lambda pixels: np.concatenate([pixels[:, :, :20], np.roll(pixels, 1, 0)[:, :, 20:]], axis=2))
    assert figures.whole > 5
    assert figures.times_real > 2


def test_lost_contrast_raises_every_part(measured):
    figures = measured(faded)
    assert min(figures.whole, figures.texture, figures.detail) > 2


def test_repeated_faces_have_no_diversity_and_little_coverage(measured):
    figures = measured(lambda pixels: pixels[np.arange(len(pixels)) % 10])
    assert figures.nearest_neighbour_diversity == 0
    assert figures.coverage < 0.5
    assert figures.times_real > 2


def test_the_combined_figure_is_the_geometric_mean_of_its_parts(measured):
    figures = measured(blurred)
    assert figures.times_real == pytest.approx((figures.whole * figures.texture * figures.detail) ** (1 / 3))
    assert figures.describe().startswith(f"{figures.times_real:.1f}x real (whole {figures.whole:.1f}x, texture ")


@pytest.mark.parametrize("shape", [(8, 8, 1), (20, 33, 3)])
def test_small_grey_and_oblong_images_of_other_sizes_are_compared(shape):
    pixels = np.random.RandomState(0).randint(0, 256, (40, *shape)).astype(np.uint8)
    metric = quality.QualityMetric(pixels, count=8, cache=quality.FeatureCache(pixels, quality.PIXELS))
    drawn = np.random.RandomState(1).randint(0, 256, (8, 12, 12, shape[-1])).astype(np.uint8)
    assert metric.figures(drawn).texture > 1


def test_pixel_features_are_the_shrunk_images():
    halves = np.zeros((1, 32, 32, 1), np.uint8)
    halves[:, :, 16:] = 255
    features = plain_features.pixel_features(halves).reshape(16, 16)
    assert (features[:, :8] == -1).all()
    assert (features[:, 8:] == 1).all()
    assert plain_features.pixel_features(np.zeros((2, 80, 64, 3), np.uint8)).shape == (2, 243)


def test_a_classifier_learns_to_tell_labels_apart():
    labels = np.arange(600) % 2
    pixels = squares(600, brightest=120)
    pixels[labels == 1, :2] += 100
    pixels = np.repeat(np.repeat(pixels, 2, 1), 2, 2)
    compute, accuracy = plain_features.train_classifier(pixels, labels)
    assert accuracy > 0.9
    assert compute(pixels[:8]).shape == (8, 64)


def test_inception_features_come_from_the_network_of_keras_enlarged_to_its_size(monkeypatch):
    import keras

    asked = {}

    def without_download(**options):
        asked.update(options)
        return keras.Sequential([keras.Input(options["input_shape"]), keras.layers.GlobalAveragePooling2D()])

    monkeypatch.setattr(keras.applications, "InceptionV3", without_download)
    compute = plain_features.inception_features()
    assert asked == {"include_top": False, "pooling": "avg", "input_shape": (299, 299, 3)}
    pixels = np.full((40, 8, 8, 3), (0, 127.5, 255), np.float32).astype(np.uint8)
    np.testing.assert_allclose(compute(pixels), np.tile([-1, 0, 1], (40, 1)), atol=0.01)
    assert compute(pixels[:3, ..., :1]).shape == (3, 3), "grey images are shown as colour"


def test_inception_features_say_when_their_weights_cannot_be_downloaded(monkeypatch):
    import keras

    def offline(**_):
        raise Exception("URL fetch failure: no route to host")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(ValueError, match=r"could not be downloaded .*no route to host"):
        plain_features.inception_features()


class Counting:
    """Features that count how many images they were computed for."""

    name = "their pixels"

    def __init__(self):
        self.images = 0

    def compute(self, pixels):
        self.images += len(pixels)
        return pixels.reshape(len(pixels), -1).astype(np.float32)


def test_features_of_a_row_are_computed_once_and_kept_for_the_next_process(tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "BLOCK", 3)
    pixels, counting, path = squares(50), Counting(), tmp_path / "faces.features.npz"
    quality.FeatureCache(pixels, counting, path, "abc").of_rows([9, 4, 30, 2])
    rows = [4, 9, 11, 2]
    features = quality.FeatureCache(pixels, counting, path, "abc").of_rows(rows)
    assert counting.images == 5
    np.testing.assert_array_equal(features, pixels[rows].reshape(4, -1))


@pytest.mark.parametrize("damage", ["other data", "cut short"])
def test_features_of_other_data_or_in_a_damaged_file_are_computed_again(tmp_path, damage):
    pixels, counting, path = squares(5), Counting(), tmp_path / "faces.features.npz"
    quality.FeatureCache(pixels, counting, path, "abc").of_rows([0, 1])
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:100])
    fingerprint = "xyz" if damage == "other data" else "abc"
    for _ in range(2):
        quality.FeatureCache(pixels, counting, path, fingerprint).of_rows([0, 1])
        assert counting.images == 4


def test_a_cache_without_a_path_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quality.FeatureCache(squares(5), Counting()).of_rows([0, 1])
    assert not list(tmp_path.iterdir())
