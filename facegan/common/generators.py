"""Generators on disk: find one in a run folder, load it and draw pixels, save models as `.h5`.

A `Generator` draws with numpy: 25 faces are there before Keras would be imported. Where Keras is needed anyway, to
train or to measure, a `KerasGenerator` draws: in two thirds of the time on a CPU, and far faster on an accelerator.
"""

import dataclasses
import functools
import hashlib
import json
import math
import re
import zipfile
from pathlib import Path

from facegan.common import cli, files, images, inference, model_files
from facegan.common.latents import latents_of_faces

import numpy as np

DRAW_BATCH = 64  # faces at a time in Keras
BEST_NAME = "generator_best.h5"
# The generator of a checkpoint, and where that holds the trained weights, their moving average beside it.
CHECKPOINT_PATTERN = re.compile(r"generator_(model|average)_(\d+)\.h5")
HDF5_OVERHEAD = 1 << 18  # bytes, more than the config of any network here takes
NOTES = "facegan"  # the attribute of a `.h5` that holds its notes
NOTES_MEMBER = "facegan.json"  # in a `.keras`
# The generator that comes with the scripts: beside facegan/, or inside it after `pip install`.
_FOLDERS = [Path(__file__).parents[2] / "pretrained", Path(__file__).parents[1] / "pretrained"]
BUNDLED = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0]) / "portraits.h5"


@dataclasses.dataclass(frozen=True)
class Generator:
    """A generator ready to draw.

    Attributes:
        path: the file it came from.
        network: computes an image (height, width, channels) float32 from a latent.
        latent_prior: the distribution of its latents in training, "normal" or "uniform" over (−1, 1).
        pixel_range: "tanh" for images in −1..1, "sigmoid" for 0..1: the network's last activation.
        inverted: whether pictures show its images inverted, see `images.as_shown`.
        fingerprint: 12 hexadecimal digits that change with the file.
    """

    path: Path
    network: inference.Network
    latent_prior: str
    pixel_range: str
    inverted: bool
    fingerprint: str

    @property
    def latent_dim(self):
        return math.prod(self.network.input_shapes[0])  # some generators take it as an image of one pixel

    @property
    def height(self):
        return self.network.output_shapes[0][0]

    @property
    def width(self):
        return self.network.output_shapes[0][1]

    @property
    def channels(self):
        return self.network.output_shapes[0][2]

    @functools.cached_property
    def model(self):
        """The generator as a Keras model, latents (n, latent_dim) → images (n, height, width, channels)."""
        cli.import_keras()
        return model_files.load_model_file(self.path)

    def latents_of(self, numbers):
        """The latents (n, latent_dim) float32 of numbered faces."""
        return latents_of_faces(numbers, self.latent_dim, self.latent_prior)

    def in_keras(self):
        """The same generator as a `KerasGenerator`, whose pixels differ by a level here and there."""
        return KerasGenerator(self.path, self.model, self.latent_prior, self.pixel_range, self.inverted)

    def draw(self, latents):
        """Draw faces: latents (n, latent_dim) → pixels uint8 (n, height, width, channels)."""
        inputs = np.asarray(latents, np.float32).reshape(-1, *self.network.input_shapes[0])
        pixels = np.empty((len(latents), self.height, self.width, self.channels), np.uint8)

        def draw_one(row):
            pixels[row] = images.to_pixels(self.network(inputs[row]), self.pixel_range)

        inference.on_every_core(draw_one, len(latents))
        return pixels


@dataclasses.dataclass(frozen=True)
class KerasGenerator:
    """A generator that draws with its Keras model, on the accelerator if there is one.

    Attributes:
        path: its file, which may be yet to be written.
        model: the Keras model, latents (n, latent_dim) → images (n, height, width, channels).
        latent_prior, pixel_range, inverted: as for `Generator`.
    """

    path: Path
    model: object
    latent_prior: str
    pixel_range: str
    inverted: bool

    def latents_of(self, numbers):
        """The latents (n, latent_dim) float32 of numbered faces."""
        return latents_of_faces(numbers, math.prod(self.model.input_shape[1:]), self.latent_prior)

    def draw(self, latents):
        """Draw faces: latents (n, latent_dim) → pixels uint8 (n, height, width, channels).

        Batches are padded to a constant shape, so that face 12 has the same pixels alone as among faces 1 to 31.
        """
        batches = _padded_batches(np.reshape(latents, (-1, *self.model.input_shape[1:])))
        pixels = [images.to_pixels(self.model.predict_on_batch(batch), self.pixel_range) for batch in batches]
        return np.concatenate(pixels)[: len(latents)]


def predict(model, inputs):
    """The outputs of a Keras model in inference mode for inputs (n, …), both float32 numpy arrays.

    The model is called as it is, since compiling it takes longer than some hundred inputs do.
    """
    import keras

    outputs = [keras.ops.convert_to_numpy(model(batch, training=False)) for batch in _padded_batches(inputs)]
    return np.concatenate(outputs)[: len(inputs)]


def _padded_batches(inputs):
    inputs = np.asarray(inputs, np.float32)
    padding = np.zeros((-len(inputs) % DRAW_BATCH, *inputs.shape[1:]), np.float32)
    return np.concatenate([inputs, padding]).reshape(-1, DRAW_BATCH, *inputs.shape[1:])


def find_generator(path):
    """Find a generator's file.

    Args:
        path: a generator file; a run folder, for its generator_best.h5, or else its newest generator, as the average if
            that was saved; or None, for the bundled generator.

    Returns:
        A `Path`.

    Raises:
        ValueError: there is no such file, or no generator in the folder.
    """
    if path is None and not BUNDLED.is_file():
        raise ValueError(
            f"{BUNDLED}: no such file; copy the folder {BUNDLED.parent.name}, which holds the bundled generator, "
            "next to the scripts, or name a run folder or a generator file"
        )
    path = Path(path or BUNDLED)
    if path.is_file():
        return path
    if not path.is_dir():
        raise ValueError(f"{path}: no such file or run folder; train_gan.py makes run folders")
    if (path / BEST_NAME).is_file():
        return path / BEST_NAME
    saved = checkpoints(path)
    if not saved:
        raise ValueError(f"{path}: holds no generator_model_*.h5; run train_gan.py until it saves one")
    return saved[-1]


def checkpoints(folder):
    """The paths of the generators that training saved in a run folder, oldest first, averages after trained weights."""
    matches = filter(None, (CHECKPOINT_PATTERN.fullmatch(path.name) for path in Path(folder).iterdir()))
    ordered = sorted(matches, key=lambda match: (int(match.group(2)), match.group(1) == "average"))
    return [Path(folder, match.string) for match in ordered]


def load_generator(path):
    """Load a generator.

    Args:
        path: as for `find_generator`; files are `.h5` of Keras 2 or 3, or `.keras`.

    Returns:
        A `Generator`.

    Raises:
        ValueError: there is none, it cannot be read, or it is not a generator.
    """
    path = find_generator(path)
    network = model_files.load_network(path)
    activation = network.last_activation
    if activation not in ("tanh", "sigmoid"):
        raise ValueError(
            f"{path}: ends in {activation}, so the range of its images is unknown; it must end in tanh or sigmoid"
        )
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    notes = read_notes(path)
    prior = notes.get("latent_prior", notes.get("latents", "normal"))  # older files call it "latents"
    if prior not in ("normal", "uniform"):
        raise ValueError(f"{path}: was trained on latents of an unknown distribution, {str(prior)[:40]!r}")
    # Other grey generators with the range 0..1 are the MNIST tutorial's.
    grey = network.output_shapes[0][-1] == 1
    inverted = notes.get("inverted", grey and activation == "sigmoid")
    return Generator(path, network, prior, pixel_range=activation, inverted=inverted, fingerprint=fingerprint)


def save_model(model, path, notes, activation=None):
    """Write a model as a float32 `.h5` that plain Keras can load.

    Args:
        model: any model; its optimizer is left out, since `.h5` would lose most of it.
        path: the file.
        notes: JSON data to store in the file, see `read_notes`; for a generator it includes "latent_prior".
        activation: one that is put on top in the file, such as "sigmoid" on a discriminator's logit.
    """
    import absl.logging
    import h5py
    import keras

    # Keras warns at every save that `.h5` is legacy, but it is the format that people's scripts load.
    absl.logging.set_verbosity(absl.logging.ERROR)
    model = _plain(model)
    if activation:
        top = keras.layers.Activation(activation, dtype="float32", name=activation)
        model = keras.Model(model.inputs, top(model.outputs[0]), name=model.name)
    with files.atomic_path(path) as temporary:
        # HDF5 crashes the whole process on a full disk, where writing plain bytes raises an error.
        temporary.write_bytes(bytes(sum(weight.nbytes for weight in model.get_weights()) + HDF5_OVERHEAD))
        keras.saving.save_model(model, temporary, include_optimizer=False)
        with h5py.File(temporary, "r+") as file:
            file.attrs[NOTES] = json.dumps(notes)


def _plain(model):
    """The model, or if it was built to train faster, a float32 copy with Keras's own layer classes.

    A faster layer class names the Keras class to save in its place as its `plain_class`.
    """
    import keras

    if all(layer.dtype_policy.name == "float32" and not hasattr(layer, "plain_class") for layer in model.layers):
        return model

    def rebuild(layer):
        plain_class = getattr(layer, "plain_class", type(layer))
        return plain_class.from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=rebuild)
    copy.set_weights(model.get_weights())
    return copy


def read_notes(path):
    """The notes that `save_model` or export.py stored in a file, or {} if there are none."""
    import h5py

    notes = "{}"
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                notes = file.attrs.get(NOTES, "{}")
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                notes = archive.read(NOTES_MEMBER) if NOTES_MEMBER in archive.namelist() else "{}"
        return dict(json.loads(notes))
    except (OSError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile):
        raise ValueError(f"{path}: its notes are damaged; copy or save it again") from None
