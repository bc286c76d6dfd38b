"""What the face detector's last network sees in an image: 256 features, and how much of a face it is.

The network is O-Net of Zhang et al. 2016 with the weights that come with the `mtcnn` package, rebuilt in plain Keras so
that it runs under any backend, without TensorFlow.
"""

import functools
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

FEATURES = 256
SIDE = 48  # O-Net's input, in pixels
FACE_THRESHOLD = 0.8  # above it the mtcnn package's last stage keeps a face
BATCH = 256


def face_features(pixels):
    """Describe images by the last hidden layer of the face detector.

    Args:
        pixels: (n, height, width, 1 or 3) uint8, each image one tight crop of a face; stretched to 48x48 pixels.

    Returns:
        (n, 256) float32. Finer detail than 48x48 shows is not in it.
    """
    return features_and_scores(pixels)[0]


def face_scores(pixels):
    """How sure the detector's last stage is that an image (n, height, width, 1 or 3) uint8 is a face: (n,), 0..1."""
    return features_and_scores(pixels)[1]


def face_log_odds(pixels):
    """`face_scores` as log odds, (n,) float32: they still tell good faces apart where the scores all round to 1."""
    kernel, bias = detector_network().layers[-1].get_weights()
    logits = face_features(pixels) @ kernel + bias
    return logits[:, 1] - logits[:, 0]


def face_landmarks(features):
    """Where the detector sees five points of a face, read off its features: they depend on these linearly.

    Args:
        features: (n, 256), from `face_features`.

    Returns:
        (n, 5, 2) float32: x and y, in widths and heights of the image, of the eye at the left of the picture, the eye
        at the right, the nose, and the corners of the mouth at the left and at the right.
    """
    kernel, bias = _package_weights()[17:19]
    points = features @ kernel + bias
    return np.stack([points[:, :5], points[:, 5:]], axis=2)


def features_and_scores(pixels):
    """Both `face_features` and `face_scores` of the same images, for the price of one."""
    if pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be uint8 (n, height, width, 1 or 3), not {pixels.dtype} {pixels.shape}")
    features = np.empty((len(pixels), FEATURES), np.float32)
    scores = np.empty(len(pixels), np.float32)
    for start in range(0, len(pixels), BATCH):
        # Every batch has the same shape, the last one filled up: a new shape would be compiled anew.
        batch = np.zeros((BATCH, SIDE, SIDE, 3), np.float32)
        part = pixels[start : start + BATCH]
        batch[: len(part)] = detector_input(part)
        rows = slice(start, start + len(part))
        seen, classes = detector_network().predict_on_batch(batch)
        features[rows], scores[rows] = seen[: len(part)], classes[: len(part), 1]
    return features, scores


def detector_input(pixels):
    """Pixels of any size to what O-Net takes: (n, 48, 48, 3) float32, antialiased where they shrink, −1..1."""
    small = np.empty((len(pixels), SIDE, SIDE, 3), np.uint8)
    for k, image in enumerate(pixels):
        colour = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
        small[k] = Image.fromarray(np.ascontiguousarray(colour)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return (small.astype(np.float32) - 127.5) / 128


@functools.cache
def detector_network():
    """O-Net as a Keras model from (n, 48, 48, 3) images, as `detector_input` makes them, to features and classes.

    Returns:
        keras.Model with two outputs in float32, whatever the precision policy: (n, 256) features, and (n, 2)
        probabilities of no face and of a face.

    Raises:
        ModuleNotFoundError: the mtcnn package, whose weights these are, is missing.
    """
    import keras

    # Zeros and names of our own: a random initialiser would move Python's random state and a name that Keras numbers
    # would change those of the next networks, and a run that is measured has to train like one that is not.
    layers = keras.layers
    common = {"dtype": "float32"}

    def convolve(x, number, filters, kernel, pool=None, padding=None):
        x = layers.Conv2D(filters, kernel, kernel_initializer="zeros", name=f"onet_conv{number}", **common)(x)
        x = layers.PReLU(shared_axes=(1, 2), name=f"onet_prelu{number}", **common)(x)
        if pool is not None:
            x = layers.MaxPooling2D(pool, 2, padding, name=f"onet_pool{number}", **common)(x)
        return x

    images = keras.Input((SIDE, SIDE, 3), name="onet_images", dtype="float32")
    x = convolve(images, 1, 32, 3, 3, "same")
    x = convolve(x, 2, 64, 3, 3, "valid")
    x = convolve(x, 3, 64, 3, 2, "same")
    x = convolve(x, 4, 128, 2)
    x = layers.Permute((2, 1, 3), name="onet_transpose", **common)(x)  # its weights were made for columns before rows
    x = layers.Flatten(name="onet_flatten", **common)(x)
    x = layers.Dense(FEATURES, kernel_initializer="zeros", name="onet_fc5", **common)(x)
    features = layers.PReLU(name="onet_prelu5", **common)(x)
    classes = layers.Dense(2, "softmax", kernel_initializer="zeros", name="onet_fc6_3", **common)(features)
    model = keras.Model(images, (features, classes), name="onet")
    weights = _package_weights()
    model.set_weights(weights[:15] + weights[19:])  # without the two heads for box and landmarks
    model.trainable = False
    if keras.backend.backend() == "tensorflow":
        model.jit_compile = False  # XLA halves the speed on a CPU
    return model


def _package_weights():
    """The arrays of O-Net, in the order of its layers, read without importing the package, which imports TensorFlow."""
    import joblib

    package = importlib.util.find_spec("mtcnn")
    if package is None:
        raise ModuleNotFoundError("the face features need the weights of the mtcnn package: pip install mtcnn")
    return joblib.load(Path(package.origin).parent / "assets" / "weights" / "onet.lz4")
