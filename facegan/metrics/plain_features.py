"""Features other than the face detector's: shrunk pixels, a small classifier's, or those of a large network."""

from facegan.common import images

import numpy as np
from PIL import Image

PIXEL_SIDES = {1: 16, 3: 9}  # by channels; gives about as many features as there are face features
CLASSIFIER_EPOCHS = 3
CLASSIFIER_ROWS = 20_000
CLASSIFIER_FEATURES = 64
INCEPTION_SIDE = 299
INCEPTION_BATCH = 32


def pixel_features(pixels):
    """Shrink images to 16x16 pixels, colour ones to 9x9, which keeps colours and large shapes and nothing finer.

    Args:
        pixels: (n, height, width, channels) uint8.

    Returns:
        (n, 256) float32 for grey images, (n, 243) for colour ones, −1..1.
    """
    side = PIXEL_SIDES[pixels.shape[-1]]
    small = np.empty((len(pixels), side, side, pixels.shape[-1]), np.uint8)
    for k, image in enumerate(pixels):
        shrunk = images.picture(image).resize((side, side), Image.Resampling.BOX)
        small[k] = np.reshape(shrunk, small.shape[1:])
    return (small.reshape(len(small), -1).astype(np.float32) - 127.5) / 127.5


def train_classifier(pixels, labels):
    """Train a small network to classify labelled images, and return the features of its last hidden layer.

    Args:
        pixels: (n, height, width, channels) uint8; at most 20,000 rows are used.
        labels: (n,) integers.

    Returns:
        (compute, accuracy): `compute` is a function from pixels to features (n, 64) float32; `accuracy` is the share
        classified correctly in the tenth of the rows that was kept out of training.
    """
    import keras

    keras.utils.set_random_seed(0)
    rows = np.random.RandomState(0).permutation(len(pixels))[:CLASSIFIER_ROWS]
    labels = np.unique(labels, return_inverse=True)[1].ravel()
    layers = keras.layers
    inputs = keras.Input(pixels.shape[1:], dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    for filters in (32, 64, 64):
        x = layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    features = layers.Dense(CLASSIFIER_FEATURES, "relu")(x)
    classes = layers.Dense(int(labels.max()) + 1, "softmax")(features)
    classifier = keras.Model(inputs, classes)
    classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    held_back = max(1, len(rows) // 10)
    new, known = rows[:held_back], rows[held_back:]
    classifier.fit(pixels[known], labels[known], batch_size=64, epochs=CLASSIFIER_EPOCHS, verbose=0)
    accuracy = classifier.evaluate(pixels[new], labels[new], verbose=0, return_dict=True)["accuracy"]
    extractor = keras.Model(inputs, features)

    def outputs(batch):
        return extractor.predict(batch, batch_size=256, verbose=0)

    # Scaled to a standard deviation of 1, so that kernel distances are neither lost in rounding nor in the millions.
    scale = outputs(pixels[new]).std()
    return lambda batch: outputs(batch) / scale, float(accuracy)


def inception_features():
    """Load Inception v3 (Szegedy et al. 2016) with the weights of keras.applications, 88 MB, downloaded once.

    The architecture is that of the FID, but weights, resizing and real images differ from those of published FIDs.

    Returns:
        A function from pixels (n, height, width, 1 or 3) uint8 to features (n, 2048) float32, for images enlarged or
        shrunk to 299x299 pixels.

    Raises:
        ValueError: the weights could not be downloaded.
    """
    import keras

    try:
        network = keras.applications.InceptionV3(
            include_top=False, pooling="avg", input_shape=(INCEPTION_SIDE,) * 2 + (3,)
        )
    except Exception as error:  # `get_file` raises Exception itself
        raise ValueError(f"the network's weights could not be downloaded ({error}); try again later") from error

    def compute(pixels):
        found = []
        for start in range(0, len(pixels), INCEPTION_BATCH):
            part = pixels[start : start + INCEPTION_BATCH]
            # Every batch has the same shape, the last one padded: each new shape would be compiled.
            batch = np.zeros((INCEPTION_BATCH, INCEPTION_SIDE, INCEPTION_SIDE, 3), np.float32)
            for k, image in enumerate(part):
                picture = images.picture(image).convert("RGB")
                batch[k] = picture.resize((INCEPTION_SIDE, INCEPTION_SIDE), Image.Resampling.BICUBIC)
            found.append(network.predict_on_batch(batch / 127.5 - 1)[: len(part)])
        return np.concatenate(found)

    return compute
