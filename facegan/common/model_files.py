"""Load a `.h5` or `.keras` model file of Keras 2 or 3, or say in one line what the file is instead.

The model is rebuilt in float32 from its config (see `facegan.common.model_config`) and given the file's weights. Keras
never deserializes the file, so no code in it can run.
"""

import contextlib
import io
import json
import re
import zipfile
import zlib
from pathlib import Path

from facegan.common.inference import Network
from facegan.common.model_config import read_architecture

import numpy as np

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZIP_SIGNATURE = b"PK"
EXAMPLES = {"generator": ", such as a generator_model_*.h5", "discriminator": ""}
EXTERNAL = "keeps its weights in other files, which are never opened; save the model again in one file"
LARGEST_ARRAY = 1 << 31
DAMAGED = "is damaged or cut short; copy or save it again"


def load_network(path, expected="generator"):
    """Load a network to compute with, without Keras.

    Args:
        path, expected: as for `load_model_file`.

    Returns:
        An `inference.Network`.

    Raises:
        ValueError: as for `load_model_file`.
    """
    with _explained(path):
        network = Network(*read_model(Path(path)))
        _check_kind(expected, network.input_shapes, network.output_shapes)
        return network


def load_model_file(path, expected="generator"):
    """Load a model into Keras, for what needs gradients or training.

    Args:
        path: a `.h5` or `.keras` file; it is recognised by its content, not its suffix.
        expected: "generator" (latents in, images out), "discriminator" (images in, one number out) or None for any.

    Returns:
        A `keras.Model` in float32, not compiled.

    Raises:
        ValueError: the file cannot be read, is damaged or not a model, has layers that are not supported, or is a model
            of another kind.
    """
    with _explained(path):
        architecture, arrays = read_model(Path(path))
        model = build_model(architecture, arrays)
        _check_kind(expected, *([tensor.shape[1:] for tensor in ends] for ends in (model.inputs, model.outputs)))
        return model


@contextlib.contextmanager
def _explained(path):
    """Make errors of reading a file one line that begins with its path."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or _first_line(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {_first_line(error)}") from None


def is_discriminator(path):
    """Whether a file holds a discriminator; False if there is no model that can be read."""
    try:
        network = Network(*read_model(Path(path)))
    except (OSError, ValueError, RecursionError):
        return False
    return kind_of(network.input_shapes, network.output_shapes)[0] == "discriminator"


def _check_kind(expected, inputs, outputs):
    kind, description = kind_of(inputs, outputs)
    if expected not in (None, kind):
        raise ValueError(f"is {description}; name a {expected} instead{EXAMPLES[expected]}")


def kind_of(inputs, outputs):
    """Recognise the kind of a model by the shapes of its inputs and outputs, without their batch dimension.

    Returns:
        "generator", "discriminator" or "other", and a description for messages.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        return "other", f"a model of {len(inputs)} inputs and {len(outputs)} outputs (a conditional generator?)"
    source, result = inputs[0], outputs[0]
    image_in = len(source) == 3 and source[0] != 1
    image_out = len(result) == 3 and result[-1] in (1, 3)
    sizes = f"{_size(source)} in, {_size(result)} out"
    if image_out and not image_in:
        return "generator", f"a generator ({sizes})"
    if image_in and all(length == 1 for length in result):
        return "discriminator", f"a discriminator ({sizes})"
    if image_in and len(result) == 1:
        return "other", f"a classifier of {result[0]} classes ({sizes})"
    if image_in and image_out:
        return "other", f"an image-to-image network ({sizes})"
    if len(source) == 1 and all(length == 1 for length in result):
        return "other", f"a generator and a discriminator in one, or another network with one output ({sizes})"
    return "other", f"a network of another kind ({sizes})"


def _size(shape):
    return "x".join("any" if length is None else str(length) for length in shape)


def read_model(path):
    """Read a file's `Architecture`, and a dictionary from layer names to their weights in order."""
    if path.is_dir():
        kind = "a TensorFlow SavedModel" if (path / "saved_model.pb").exists() else "a folder"
        raise ValueError(f"is {kind}; name a .h5 or .keras file")
    with path.open("rb") as file:
        start = file.read(64)
        if start.startswith(HDF5_SIGNATURE):
            return _read_h5(file)
        if start.startswith(ZIP_SIGNATURE):
            return _read_keras(file)
    raise ValueError(_not_a_model(start))


def _not_a_model(start):
    """Say what is wrong with a file that is neither HDF5 nor a zip, judging by its first bytes."""
    if not start:
        return "is empty; copy or save it again"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
    kind = "text" if all(byte >= 32 or byte in b"\t\r\n" for byte in start) else "neither HDF5 nor a .keras archive"
    return f"is not a model file ({kind}); name a .h5 or .keras file"


@contextlib.contextmanager
def _hdf5(file):
    import h5py

    try:
        with h5py.File(file, "r") as h5:
            yield h5
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError):  # h5py's, and a member of the wrong kind
        raise ValueError(DAMAGED) from None


def _read_h5(file):
    with _hdf5(file) as h5:
        if "model_config" not in h5.attrs:
            if "layer_names" in h5.attrs or "layers" in h5:
                raise ValueError("holds weights without their network; save the whole model with model.save(...)")
            raise ValueError("is an HDF5 file without a Keras model; name another file")
        version = _text(h5.attrs.get("keras_version", "2"))
        if version.startswith("1."):
            raise ValueError(f"was saved by Keras {version}; load and save it with Keras 2 first")
        architecture = read_architecture(_decoded(h5.attrs["model_config"]))
        groups = {layer.name: _member(h5["model_weights"], layer.name) for layer in architecture.layers}
        names = {name: group.attrs.get("weight_names", ()) for name, group in groups.items() if group is not None}
        return architecture, {
            layer: [_array(groups[layer], _text(name)) for name in weights] for layer, weights in names.items()
        }


def _read_keras(file):
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "config.json" not in names or "model.weights.h5" not in names:
                raise ValueError(
                    f"is an archive of {', '.join(names[:3]) or 'nothing'}, not a .keras model; name another file"
                )
            if max(archive.getinfo(name).file_size for name in ("config.json", "model.weights.h5")) > LARGEST_ARRAY:
                raise ValueError("holds more data than any network here needs")  # before memory is asked for
            config, weights = archive.read("config.json"), archive.read("model.weights.h5")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise ValueError(DAMAGED) from None
    architecture = read_architecture(_decoded(config))
    with _hdf5(io.BytesIO(weights)) as h5:
        groups = {name: _member(h5, path) for name, path in _keras_paths(architecture.layers).items()}
        return architecture, {
            name: [_array(group, str(number)) for number in range(len(group))]
            for name, group in groups.items()
            if group is not None
        }


def _keras_paths(layers):
    """The path of each layer's weights in a `.keras`, which is named after class and order, not after the layer."""
    counts, paths = {}, {}
    for layer in layers:
        words = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", layer.saved_class)).lower()
        count = counts[words] = counts.get(words, -1) + 1
        paths[layer.name] = f"layers/{words}_{count}/vars" if count else f"layers/{words}/vars"
    return paths


def _member(group, path):
    """A member of an HDF5 group, or None. Only hard links are followed, since others can point to any file."""
    import h5py

    for name in path.strip("/").split("/"):
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(EXTERNAL)
        group = group[name]
    return group


def _array(group, path):
    dataset = _member(group, path)
    if dataset is None:
        raise ValueError(DAMAGED)
    if dataset.external or dataset.is_virtual:
        raise ValueError(EXTERNAL)
    if dataset.nbytes > LARGEST_ARRAY:  # checked before memory is asked for: a small file can claim any size
        raise ValueError(f"has weights of {dataset.nbytes >> 20:,} MB in one array, more than any network here needs")
    array = dataset[()]
    if array.dtype.kind not in "fiu":
        raise ValueError(f"has weights of the type {array.dtype}, which are not real numbers; save it again")
    with np.errstate(over="ignore"):
        array = array.astype("float32")
    if not np.isfinite(array).all():
        raise ValueError("has weights that are NaN or infinite: its training had failed; name an older one")
    return array


def build_model(architecture, arrays):
    """Build the Keras model of an `Architecture` with these weights, lists of arrays by the layer's name.

    Raises:
        ValueError: Keras cannot build it, or the weights do not fit; the message is one line.
    """
    import keras

    by_name = {layer.name: layer for layer in architecture.layers}
    tensors = {}

    def tensor(name):
        if name not in tensors:
            tensors[name] = call(by_name[name])
        return tensors[name]

    def call(layer):
        name = layer.name.replace("/", "_")
        if layer.class_name == "InputLayer":
            return keras.Input(name=name, **layer.arguments)
        sources = [tensor(source) for source in layer.inputs]
        made = getattr(keras.layers, layer.class_name)(name=name, dtype="float32", **_zeros(layer), **layer.arguments)
        return made(sources if len(sources) > 1 else sources[0])

    try:
        inputs, outputs = ([tensor(name) for name in names] for names in (architecture.inputs, architecture.outputs))
        model = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0])
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"describes a network that cannot be built: {_first_line(error)}") from error
    _set_weights(model, architecture, arrays)
    return model


def _zeros(layer):
    """Arguments for initial weights that cost no time, since the file's weights replace them."""
    kernels = ("Conv2D", "Conv2DTranspose", "Dense")
    return {"kernel_initializer": "zeros"} if layer.class_name in kernels else {}


def _set_weights(model, architecture, arrays):
    for layer in architecture.layers:
        target, saved = model.get_layer(layer.name.replace("/", "_")), arrays.get(layer.name, [])
        shapes, wanted = [array.shape for array in saved], [tuple(weight.shape) for weight in target.weights]
        if shapes != wanted:
            raise ValueError(f"has weights {shapes} for the layer {layer.name}, which needs {wanted}; save it again")
        target.set_weights(saved)


def _decoded(text):
    try:
        return json.loads(_text(text))
    except ValueError:
        raise ValueError(DAMAGED) from None


def _text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
