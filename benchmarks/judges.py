"""Three other networks that judge images in benchmarks/quality.py. They train nothing in facegan.

What the figures compare was chosen with the ranks of `objects` and `identity` in view, so agreement with these is not a
blind test; agreement with `inception` is.

    npm install --prefix judges --legacy-peer-deps --ignore-scripts nsfwjs@4.3.0 @vladmandic/face-api@1.7.15

fetches both packages, which carry their weights (MIT licence), for development only:

- objects: MobileNetV2 (Sandler et al. 2018), trained on ImageNet and fine-tuned to find photographs that are not safe
  for work; 1,280 features, the mean of its last maps, of images enlarged to 160 pixels.
- identity: the ResNet of dlib (King 2017), trained to tell three million faces of 7,485 people apart; 128 features of
  images enlarged to 150 pixels. Distances between faces correlate with those of dlib's own code by 0.999.
- inception: Inception v3 (Szegedy et al. 2016), trained on ImageNet, in 8 bits; 2,048 features of images enlarged to
  160 pixels.
"""

import base64
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

BATCH = 50
RGB_MEANS = (122.782, 117.001, 104.298)


def load(folder):
    """Load the networks of the npm packages in a folder: {name: function from pixels (n, h, w, 3) to (n, d)}."""
    packages = Path(folder) / "node_modules"
    judges = {"objects": _objects, "identity": _identity, "inception": _inception}
    return {name: make(packages) for name, make in judges.items()}


def _objects(packages):
    import keras

    weights = _keras_weights(packages / "nsfwjs" / "dist" / "models" / "mobilenet_v2")
    network = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(160, 160, 3), pooling="avg")
    for layer in network.layers:
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            kernel = weights[name] if name in weights else weights[f"{layer.name}/depthwise_kernel"]
            variable.assign(kernel.reshape(variable.shape))
    network.jit_compile = False
    return lambda pixels: _features(network.predict_on_batch, pixels, 160, scale=255)


def _inception(packages):
    import keras

    weights = _keras_weights(packages / "nsfwjs" / "dist" / "models" / "inception_v3")
    network = keras.applications.InceptionV3(weights=None, include_top=False, input_shape=(160, 160, 3), pooling="avg")
    for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization):
        # Keras numbers the layers in the order in which they are made, and `layers` has another one.
        layers = [layer for layer in network.layers if isinstance(layer, kind)]
        for number, layer in enumerate(sorted(layers, key=lambda layer: int(*re.findall(r"_(\d+)$", layer.name))), 1):
            for variable in layer.weights:
                name = re.sub(r"_\d+$", "", layer.name)
                variable.assign(weights[f"{name}_{number}/{variable.name}"].reshape(variable.shape))
    network.jit_compile = False
    return lambda pixels: _features(lambda batch: network.predict_on_batch(2 * batch - 1), pixels, 160, scale=255)


def _keras_weights(folder):
    """{name: array} of a Keras model of the nsfwjs package, kept in JavaScript files."""
    number = r"([-+.\de]+)"
    entry = rf'name:"([^"]+)",shape:\[([\d,]*)\],dtype:"float32",quantization:\{{min:{number},scale:{number},'
    found = re.findall(entry, (folder / "model.min.js").read_text(encoding="utf-8"))
    table = [(name, tuple(map(int, shape.split(","))), float(low), float(step)) for name, shape, low, step in found]
    scripts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("group1-shard*.js"))]
    parts = [max(re.findall(r'"([A-Za-z0-9+/=]{1000,})"', script), key=len) for script in scripts]
    return _dequantised(table, b"".join(map(base64.b64decode, parts)))


def _identity(packages):
    import tensorflow as tf

    path = packages / "@vladmandic" / "face-api" / "model" / "face_recognition_model"
    manifest = json.loads(Path(f"{path}-weights_manifest.json").read_text(encoding="utf-8"))
    table = []
    for entry in manifest[0]["weights"]:
        scale = entry.get("quantization", {"min": None, "scale": None})  # a few arrays are stored as they are
        table.append((entry["name"], tuple(entry["shape"]), scale["min"], scale["scale"]))
    weights = _dequantised(table, Path(f"{path}.bin").read_bytes())

    def convolve(x, name, stride=1, relu=True, padding="SAME"):
        x = tf.nn.conv2d(x, weights[f"{name}/conv/filters"], stride, padding) + weights[f"{name}/conv/bias"]
        x = x * weights[f"{name}/scale/weights"] + weights[f"{name}/scale/biases"]
        return tf.nn.relu(x) if relu else x

    def residual(x, name):
        return tf.nn.relu(x + convolve(convolve(x, f"{name}/conv1"), f"{name}/conv2", relu=False))

    def halve(x, name):
        inner = convolve(convolve(x, f"{name}/conv1", 2, padding="VALID"), f"{name}/conv2", relu=False)
        outer = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        missing = [[0, after - before] for before, after in zip(inner.shape[1:3], outer.shape[1:3], strict=True)]
        inner = tf.pad(inner, [[0, 0], *missing, [0, 0]])
        return tf.nn.relu(inner + tf.pad(outer, [[0, 0]] * 3 + [[0, inner.shape[3] - outer.shape[3]]]))

    @tf.function(input_signature=[tf.TensorSpec((BATCH, 150, 150, 3), tf.float32)])
    def network(x):
        x = tf.nn.max_pool2d(convolve((x - RGB_MEANS) / 256, "conv32_down", 2, padding="VALID"), 3, 2, "VALID")
        for width, count in ((32, 3), (64, 3), (128, 2), (256, 2)):
            x = x if width == 32 else halve(x, f"conv{width}_down")
            for k in range(count):
                x = residual(x, f"conv{width}_{k + 1}")
        return tf.reduce_mean(halve(x, "conv256_down_out"), (1, 2)) @ weights["fc"]

    return lambda pixels: _features(network, pixels, 150)


def _dequantised(table, data):
    """{name: float32 array} of (name, shape, lowest value, step) for consecutive arrays; floats where step is None."""
    weights, start = {}, 0
    for name, shape, low, step in table:
        kind = np.dtype(np.float32 if step is None else np.uint8)
        stop = start + int(np.prod(shape)) * kind.itemsize
        values = np.frombuffer(data[start:stop], kind).reshape(shape)
        weights[name] = (values if step is None else values * step + low).astype(np.float32)
        start = stop
    if start != len(data):
        raise ValueError(f"the weights end at byte {start} of {len(data)}; install the packages named above")
    return weights


def _features(network, pixels, side, scale=1):
    """(n, d) of images, enlarged to `side` pixels, in batches of one size."""
    found = []
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        batch = np.zeros((BATCH, side, side, 3), np.float32)
        for k, image in enumerate(part):
            batch[k] = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        found.append(np.asarray(network(batch / scale))[: len(part)])
    return np.concatenate(found)
