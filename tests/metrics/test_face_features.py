"""The face features are those of O-Net, and computing them changes nothing in a run."""

import random
import subprocess
import sys

from facegan.metrics import face_features

import numpy as np
import pytest
from portraits import portrait, portraits


def test_features_equal_the_hidden_layer_of_the_mtcnn_package():
    pytest.importorskip("mtcnn")
    from mtcnn.stages.stage_onet import StageONet

    pixels = portraits(20)
    x = np.stack([face_features.detector_input(image) for image in pixels])
    package = StageONet()._model
    scores = np.asarray(package(x)[2])[:, 1]
    names = [layer.name for layer in package.layers]
    for layer in package.layers[: names.index("prelu5") + 1]:
        x = layer(x)
    features, own_scores = face_features.features_and_scores(pixels)
    assert np.ptp(features) > 0.5
    np.testing.assert_allclose(features, np.asarray(x), atol=1e-5)
    np.testing.assert_allclose(own_scores, scores, atol=1e-5)


def test_a_face_scores_high_and_noise_low():
    noise = np.random.default_rng(0).integers(0, 256, (1, 80, 80, 3), dtype=np.uint8)
    face, no_face = face_features.face_scores(np.concatenate([portrait()[None], noise]))
    assert face > 0.95
    assert no_face < 0.1


def test_features_of_an_image_do_not_depend_on_its_neighbours():
    pixels = portraits(9, side=20)
    alone = face_features.face_features(pixels[-1:])
    np.testing.assert_array_equal(alone, face_features.face_features(pixels)[-1:])


def test_grey_images_give_the_features_of_colour_images_without_colour():
    grey = portraits(2)[..., :1]
    np.testing.assert_array_equal(
        face_features.face_features(grey), face_features.face_features(np.repeat(grey, 3, axis=-1))
    )


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 2), np.uint8)]
)
def test_an_array_that_does_not_hold_pixels_is_refused(pixels):
    with pytest.raises(ValueError, match="pixels must be uint8"):
        face_features.face_features(pixels)


def test_building_the_network_changes_neither_random_state_nor_layer_names():
    import keras

    face_features.detector_network.cache_clear()
    first = keras.layers.Dense(1).name
    before = random.getstate()
    face_features.detector_network()
    assert random.getstate() == before
    second = keras.layers.Dense(1).name
    number = int(first.rpartition("_")[2]) if "_" in first else 0
    assert second == f"dense_{number + 1}"


def test_the_keras_model_gives_the_same_features_and_scores_under_any_policy():
    import keras

    pixels = portraits(2)
    x = np.stack([face_features.detector_input(image) for image in pixels])
    for policy in ("float32", "mixed_bfloat16"):
        face_features.detector_network.cache_clear()
        keras.config.set_dtype_policy(policy)
        try:
            features, classes = face_features.detector_network().predict_on_batch(x)
        finally:
            keras.config.set_dtype_policy("float32")
            face_features.detector_network.cache_clear()
        np.testing.assert_allclose(features, face_features.face_features(pixels), atol=1e-5)
        np.testing.assert_allclose(classes[:, 1], face_features.face_scores(pixels), atol=1e-5)


def test_features_need_no_keras(tmp_path):
    np.save(tmp_path / "pixels.npy", portraits(2))
    program = (
        "import sys, numpy as np; sys.modules['keras'] = None\n"
        "from facegan.metrics.face_features import face_features\n"
        f"np.save({str(tmp_path / 'features.npy')!r}, face_features(np.load({str(tmp_path / 'pixels.npy')!r})))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    # The sums are rounded as numpy's threads share them out, and this process may have more.
    np.testing.assert_allclose(np.load(tmp_path / "features.npy"), face_features.face_features(portraits(2)), atol=1e-6)
