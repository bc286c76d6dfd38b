"""Features for images that are no faces: their shrunk pixels, or what a small classifier trained on labels sees."""

import numpy as np
from PIL import Image

PIXEL_SIDES = {1: 16, 3: 9}  # by channels; about as many numbers as there are face features
CLASSIFIER_EPOCHS = 3
CLASSIFIER_ROWS = 20_000
CLASSIFIER_FEATURES = 64


def pixel_features(pixels):
    """Shrink images to 16x16 pixels, in colour to 9x9: colours and large shapes, blind to anything finer.

    Args:
        pixels: (n, height, width, channels) uint8.

    Returns:
        (n, 256) float32 for grey, (n, 243) for colour, −1..1.
    """
    side = PIXEL_SIDES[pixels.shape[-1]]
    small = np.empty((len(pixels), side, side, pixels.shape[-1]), np.uint8)
    for k, image in enumerate(pixels):
        picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))
        shrunk = np.asarray(picture.resize((side, side), Image.Resampling.BOX))
        small[k] = shrunk.reshape(small.shape[1:])
    return (small.reshape(len(small), -1).astype(np.float32) - 127.5) / 127.5


def train_classifier(pixels, labels, seed=0):
    """Train a small network to tell labelled images apart and return what looks through its eyes.

    Args:
        pixels: (n, height, width, channels) uint8; at most 20,000 rows are used.
        labels: (n,) whole numbers.
        seed: of the rows, the weights and the order.

    Returns:
        (look, accuracy): `look` is a function from pixels to (features (n, 64) float32, None); `accuracy` is the share
        told apart rightly in the tenth of the rows that it was not trained on.
    """
    import keras

    keras.utils.set_random_seed(seed)
    rows = np.random.RandomState(seed).permutation(len(pixels))[:CLASSIFIER_ROWS]
    labels = np.unique(labels, return_inverse=True)[1].ravel()
    layers = keras.layers
    images = keras.Input(pixels.shape[1:], dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1)(images)
    for filters in (32, 64, 64):
        x = layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    features = layers.Dense(CLASSIFIER_FEATURES, "relu")(x)
    classes = layers.Dense(int(labels.max()) + 1, "softmax")(features)
    classifier = keras.Model(images, classes)
    compiled = keras.backend.backend() != "tensorflow"  # XLA halves its speed on a CPU
    classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=compiled)
    held_back = max(1, len(rows) // 10)
    new, known = rows[:held_back], rows[held_back:]
    classifier.fit(pixels[known], labels[known], batch_size=64, epochs=CLASSIFIER_EPOCHS, verbose=0)
    accuracy = classifier.evaluate(pixels[new], labels[new], verbose=0, return_dict=True)["accuracy"]
    eyes = keras.Model(images, features)
    eyes.jit_compile = compiled

    def look(pictures):
        return eyes.predict(pictures, batch_size=256, verbose=0) / scale, None

    # Brought to a spread of 1, so that the kernel distance is neither lost in rounding nor in the millions.
    scale = 1.0
    scale = look(pixels[new])[0].std()
    return look, float(accuracy)
