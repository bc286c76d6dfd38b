"""Generators on disk: finding one in a run folder, saving it as `.h5`, and loading it to draw pixels."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy

from facegan import commands, files, images
from facegan.commands import UserError

# A batch of fixed shape: the pixels of a face must not depend on how many are drawn beside it.
DRAW_BATCH = 64
BEST_NAME = "generator_best.h5"
CHECKPOINT_PATTERN = re.compile(r"generator_model_(\d+)\.h5")
ATTRIBUTE = "facegan"
# The generator that comes with the scripts; its folder is to be copied with the package.
SHIPPED = Path(__file__).parent.parent / "pretrained" / "portraits.h5"


@dataclasses.dataclass(frozen=True)
class Generator:
    """A generator ready to draw.

    Attributes:
        path: the file it came from.
        model: the Keras model, latents (n, latent_dim) float32 → images (n, height, width, channels) float32.
        distribution: how its latents were drawn in training, "normal" or "uniform" over (−1, 1).
        pixel_range: "tanh" for images in −1..1, "sigmoid" for 0..1: the model's last activation.
        fingerprint: 12 hexadecimal digits that change with the file.
    """

    path: Path
    model: object
    distribution: str
    pixel_range: str
    fingerprint: str

    @property
    def latent_dim(self):
        return self.model.input_shape[-1]

    @property
    def height(self):
        return self.model.output_shape[1]

    @property
    def width(self):
        return self.model.output_shape[2]

    @property
    def channels(self):
        return self.model.output_shape[3]

    def draw(self, latents):
        """Draw faces: latents (n, latent_dim) → pixels uint8 (n, height, width, channels)."""
        return draw(self.model, latents, self.pixel_range)


def draw(model, latents, pixel_range):
    """Draw pixels uint8 (n, height, width, channels) with a Keras model from latents (n, latent_dim).

    Batches are padded to a constant shape, so face 12 has the same pixels alone as among faces 1 to 31.
    """
    latents = numpy.asarray(latents, numpy.float32)
    padded = numpy.zeros((-len(latents) % DRAW_BATCH, latents.shape[1]), numpy.float32)
    batches = numpy.concatenate([latents, padded]).reshape(-1, DRAW_BATCH, latents.shape[1])
    pixels = [images.to_pixels(model.predict_on_batch(batch), pixel_range) for batch in batches]
    return numpy.concatenate(pixels)[: len(latents)]


def find_generator(path):
    """The generator file that MODEL names.

    Args:
        path: a generator file, or a run folder: then its best generator, or else its newest; None, where MODEL was
            left out, means the shipped generator.

    Raises:
        UserError: nothing is there, or a folder without generators.
    """
    if path is None and not SHIPPED.is_file():
        raise UserError(
            f"MODEL: left out means the shipped generator, and {SHIPPED} is not there; copy the folder "
            f"{SHIPPED.parent.name} from facegan's repository, or name a run folder or a generator file"
        )
    path = Path(path or SHIPPED)
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"MODEL {path}: no such file or run folder; train_gan.py --out makes one")
    if (path / BEST_NAME).is_file():
        return path / BEST_NAME
    saved = checkpoints(path)
    if not saved:
        raise UserError(f"MODEL {path}: holds no generator_model_*.h5; let train_gan.py go on until it saves one")
    return saved[-1]


def checkpoints(folder):
    """The generators that training saved in a run folder, oldest first."""
    named = [path for path in Path(folder).iterdir() if CHECKPOINT_PATTERN.fullmatch(path.name)]
    return sorted(named, key=lambda path: int(CHECKPOINT_PATTERN.fullmatch(path.name).group(1)))


def load_generator(path):
    """Load the generator that MODEL names: a run folder, a `.h5` of Keras 2 or 3, a `.keras` file; or the shipped one.

    Returns:
        A `Generator`.

    Raises:
        UserError: there is none, it cannot be read, or it is not a generator.
    """
    path = find_generator(path)
    commands.import_keras()

    from facegan import model_files

    model = model_files.load_model_file(path)
    activation = _last_activation(model)
    if activation not in ("tanh", "sigmoid"):
        raise UserError(
            f"MODEL {path}: ends in {activation}, so the range of its images is unknown; it must be tanh or sigmoid"
        )
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return Generator(path, model, read_notes(path).get("latents", "normal"), activation, fingerprint)


def _last_activation(model):
    """Name of the activation that the images leave the model with; a Reshape behind it changes nothing."""
    names = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    return names[-1] if names else "linear"


def save_model(model, path, notes):
    """Write a model as `.h5` for people to load, with notes that travel inside it.

    Args:
        model: any model; its file is float32, and without its optimizer, of which `.h5` would lose most.
        path: the file. notes: what JSON can hold, read again by `read_notes`.
    """
    import absl.logging
    import h5py
    import keras

    # Keras calls `.h5` legacy at each save; it is what people's scripts load.
    absl.logging.set_verbosity(absl.logging.ERROR)
    with files.whole_path(path) as temporary:
        keras.saving.save_model(_plain(model), temporary, include_optimizer=False)
        with h5py.File(temporary, "r+") as file:
            file.attrs[ATTRIBUTE] = json.dumps(notes)


def _plain(model):
    """The model, or where it was built to be trained faster, a copy in float32 and of Keras's own layers."""
    import keras

    def own_class(layer):
        return getattr(keras.layers, type(layer).__name__, type(layer))

    if all(layer.dtype_policy.name == "float32" and type(layer) is own_class(layer) for layer in model.layers):
        return model

    def rebuild(layer):
        return own_class(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=rebuild)
    copy.set_weights(model.get_weights())
    return copy


def read_notes(path):
    """The notes that `save_model` put in a `.h5`, or {} for files of other origins."""
    import h5py

    if not h5py.is_hdf5(path):
        return {}
    with h5py.File(path, "r") as file:
        return json.loads(file.attrs.get(ATTRIBUTE, "{}"))
