"""What the face detector's last network sees in an image: 256 features, and how sure it is of a face.

The network is O-Net of Zhang et al. 2016 with the weights that come with the `mtcnn` package, rebuilt in plain Keras so
that it runs on any backend, without TensorFlow.
"""

import functools
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

FEATURES = 256
SIDE = 48  # O-Net's input, in pixels
FACE_THRESHOLD = 0.8  # the last stage of the mtcnn package keeps a face whose score is above it
BATCH = 256


def face_features(pixels):
    """Compute the last hidden layer of the face detector for images.

    Args:
        pixels: (n, height, width, 1 or 3) uint8, each a tight crop of a face; stretched to 48x48 pixels.

    Returns:
        (n, 256) float32, without any detail finer than 48x48 pixels show.
    """
    return features_and_scores(pixels)[0]


def face_scores(pixels):
    """How sure the detector's last stage is that an image (n, height, width, 1 or 3) uint8 is a face: (n,), 0..1."""
    return features_and_scores(pixels)[1]


def face_log_odds(pixels):
    """`face_scores` as log odds, (n,) float32: these still rank good faces, whose scores all round to 1."""
    kernel, bias = detector_network().layers[-1].get_weights()
    logits = face_features(pixels) @ kernel + bias
    return logits[:, 1] - logits[:, 0]


def face_landmarks(features):
    """Where the detector sees five points of a face: a linear function of its features.

    Args:
        features: (n, 256), from `face_features`.

    Returns:
        (n, 5, 2) float32: x and y, as fractions of the image's width and height, of the eye on the left of the image,
        the eye on the right, the nose, and the corners of the mouth on the left and on the right.
    """
    kernel, bias = _package_weights()[17:19]
    points = features @ kernel + bias
    return np.stack([points[:, :5], points[:, 5:]], axis=2)


def features_and_scores(pixels):
    """Both `face_features` and `face_scores` of the same images, at the cost of one."""
    if pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be uint8 (n, height, width, 1 or 3), not {pixels.dtype} {pixels.shape}")
    features = np.empty((len(pixels), FEATURES), np.float32)
    scores = np.empty(len(pixels), np.float32)
    for start in range(0, len(pixels), BATCH):
        # Every batch has the same shape, the last one padded: each new shape would be compiled.
        batch = np.zeros((BATCH, SIDE, SIDE, 3), np.float32)
        part = pixels[start : start + BATCH]
        batch[: len(part)] = detector_input(part)
        rows = slice(start, start + len(part))
        layer, classes = detector_network().predict_on_batch(batch)
        features[rows], scores[rows] = layer[: len(part)], classes[: len(part), 1]
    return features, scores


def detector_input(pixels):
    """Pixels of any size as O-Net takes them: (n, 48, 48, 3) float32 in −1..1, antialiased where they shrink."""
    small = np.empty((len(pixels), SIDE, SIDE, 3), np.uint8)
    for k, image in enumerate(pixels):
        colour = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
        small[k] = Image.fromarray(np.ascontiguousarray(colour)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return (small.astype(np.float32) - 127.5) / 128


@functools.cache
def detector_network():
    """O-Net as a Keras model from (n, 48, 48, 3) images, as `detector_input` makes them, to features and classes.

    Returns:
        keras.Model with two outputs, float32 under any precision policy: (n, 256) features, and (n, 2) probabilities
        of no face and of a face.

    Raises:
        ModuleNotFoundError: the mtcnn package, whose weights these are, is missing.
    """
    import keras

    # Zeros and fixed names, since a run that is measured must train exactly like one that is not: a random initializer
    # would advance Python's random state, and a name numbered by Keras would change those of later networks.
    layers = keras.layers
    common = {"dtype": "float32"}

    def convolve(x, number, filters, kernel):
        x = layers.Conv2D(filters, kernel, kernel_initializer="zeros", name=f"onet_conv{number}", **common)(x)
        return layers.PReLU(shared_axes=(1, 2), name=f"onet_prelu{number}", **common)(x)

    def pool(x, number, size, padding):
        return layers.MaxPooling2D(size, 2, padding, name=f"onet_pool{number}", **common)(x)

    images = keras.Input((SIDE, SIDE, 3), name="onet_images", dtype="float32")
    x = pool(convolve(images, 1, 32, 3), 1, 3, "same")
    x = pool(convolve(x, 2, 64, 3), 2, 3, "valid")
    x = pool(convolve(x, 3, 64, 3), 3, 2, "same")
    x = convolve(x, 4, 128, 2)
    x = layers.Permute((2, 1, 3), name="onet_transpose", **common)(x)  # the weights expect columns before rows
    x = layers.Flatten(name="onet_flatten", **common)(x)
    x = layers.Dense(FEATURES, kernel_initializer="zeros", name="onet_fc5", **common)(x)
    features = layers.PReLU(name="onet_prelu5", **common)(x)
    classes = layers.Dense(2, "softmax", kernel_initializer="zeros", name="onet_fc6_3", **common)(features)
    model = keras.Model(images, (features, classes), name="onet")
    weights = _package_weights()
    model.set_weights(weights[:15] + weights[19:])  # without the heads for box and landmarks
    model.trainable = False
    if keras.backend.backend() == "tensorflow":
        model.jit_compile = False  # XLA halves the speed on a CPU
    return model


def _package_weights():
    """The arrays of O-Net, in the order of its layers, read without importing the package, which imports TensorFlow."""
    package = importlib.util.find_spec("mtcnn")
    if package is None:
        raise ModuleNotFoundError("face features need the weights in mtcnn: pip install mtcnn", name="mtcnn")

    import joblib

    return joblib.load(Path(package.origin).parent / "assets" / "weights" / "onet.lz4")
