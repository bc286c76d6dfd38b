"""What the face detector's last network sees in an image: 256 features, and how sure it is of a face.

The network is O-Net of Zhang et al. 2016 with the weights that come with the `mtcnn` package. Numpy computes it, so the
features are the same under every backend, and without one; its Keras model is for what needs gradients or its layers.
"""

import functools
import importlib.util
from pathlib import Path

from facegan.common import images, inference, model_files
from facegan.common.model_config import Architecture, Layer

import numpy as np
from PIL import Image

FEATURES = 256
SIDE = 48  # O-Net's input, in pixels
FACE_THRESHOLD = 0.8  # the last stage of the mtcnn package keeps a face whose score is above it


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
    kernel, bias = _package_weights()[-2:]
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
    network = _network()

    def look(row):
        features[row], (_, scores[row]) = network(detector_input(pixels[row]))

    inference.on_every_core(look, len(pixels))
    return features, scores


def detector_input(image):
    """An image of any size, uint8, as O-Net takes it: (48, 48, 3) float32 in −1..1, antialiased where it shrinks."""
    small = images.picture(image).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return (np.asarray(small, np.float32) - 127.5) / 128


@functools.cache
def _network():
    """O-Net from an image, as `detector_input` makes it, to 256 features, and the probabilities of no face and a face.

    Raises:
        ModuleNotFoundError: the mtcnn package, whose weights these are, is missing.
    """
    return inference.Network(*_architecture_and_weights())


@functools.cache
def detector_network():
    """O-Net as a Keras model with the same two outputs, float32 under any precision policy, not trainable.

    It has no random weights and no names numbered by Keras, since a run that is measured must train exactly like one
    that is not: a random initializer would advance Python's random state, a name change those of later networks.
    """
    model = model_files.build_model(*_architecture_and_weights())
    model.trainable = False
    return model


def _architecture_and_weights():
    """O-Net's `Architecture`, without the heads for box and landmarks, and its arrays by the layer's name."""
    layers = [Layer("onet_images", "InputLayer", "InputLayer", {"shape": (SIDE, SIDE, 3)})]
    arrays = {}
    saved = iter(_package_weights()[:15] + _package_weights()[-2:])

    def add(name, class_name, count=0, **arguments):
        layers.append(Layer(f"onet_{name}", class_name, class_name, arguments, (layers[-1].name,)))
        arrays[layers[-1].name] = [next(saved) for _ in range(count)]

    pools = (3, "same"), (3, "valid"), (2, "same"), None
    for number, (filters, kernel, pool) in enumerate(zip((32, 64, 64, 128), (3, 3, 3, 2), pools, strict=True), 1):
        add(f"conv{number}", "Conv2D", 2, filters=filters, kernel_size=kernel)
        add(f"prelu{number}", "PReLU", 1, shared_axes=[1, 2])
        if pool:
            add(f"pool{number}", "MaxPooling2D", pool_size=pool[0], strides=2, padding=pool[1])
    add("flatten", "Flatten")
    add("fc5", "Dense", 2, units=FEATURES)
    add("prelu5", "PReLU", 1)
    add("fc6_3", "Dense", 2, units=2, activation="softmax")
    # The package's weights expect columns before rows.
    kernel = arrays["onet_fc5"][0]
    arrays["onet_fc5"][0] = kernel.reshape(3, 3, -1, FEATURES).transpose(1, 0, 2, 3).reshape(kernel.shape)
    return Architecture(layers, ("onet_images",), ("onet_prelu5", "onet_fc6_3")), arrays


@functools.cache
def _package_weights():
    """The arrays of O-Net, in the order of its layers, read without importing the package, which imports TensorFlow."""
    package = importlib.util.find_spec("mtcnn")
    if package is None:
        raise ModuleNotFoundError("face features need the weights in mtcnn: pip install mtcnn", name="mtcnn")

    import joblib

    return joblib.load(Path(package.origin).parent / "assets" / "weights" / "onet.lz4")
