"""Reads the architecture from a saved model's config, written by any Keras since 2.0, in the terms of Keras 3.

Keras 3 refuses most files of Keras 2 (a Conv2DTranspose with `groups`), and the format of Keras 2's configs changed
several times. Here a config is only data: the layers and arguments in `LAYERS` are accepted by name and everything
else, above all code, is refused, so that no file can make Keras import or run anything. Standard library only.
"""

from typing import NamedTuple

CONVOLUTION = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias")
POOLING = ("pool_size", "strides", "padding", "data_format")

# The arguments that change what a trained layer computes. Initializers, regularizers and constraints do not, since the
# weights come from the file. The dtype is left out on purpose: whatever policy trained a model, it draws in float32.
LAYERS = {
    "Activation": ("activation",),
    "Add": (),
    "AveragePooling2D": POOLING,
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Concatenate": ("axis",),
    "Conv2D": (*CONVOLUTION, "groups"),
    "Conv2DTranspose": (*CONVOLUTION, "output_padding"),
    "Cropping2D": ("cropping", "data_format"),
    "Dense": ("units", "activation", "use_bias"),
    "Dropout": ("rate",),
    "ELU": ("alpha",),
    "Embedding": ("input_dim", "output_dim"),
    "Flatten": ("data_format",),
    "GaussianDropout": ("rate",),
    "GaussianNoise": ("stddev",),
    "GlobalAveragePooling2D": ("data_format", "keepdims"),
    "GlobalMaxPooling2D": ("data_format", "keepdims"),
    "InputLayer": (),
    "LeakyReLU": ("negative_slope",),
    "MaxPooling2D": POOLING,
    "Multiply": (),
    "PReLU": ("shared_axes",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Reshape": ("target_shape",),
    "Softmax": ("axis",),
    "SpatialDropout2D": ("rate", "data_format"),
    "UpSampling2D": ("size", "data_format", "interpolation"),
    "ZeroPadding2D": ("padding", "data_format"),
}
# Without hard_sigmoid, which is a different function in Keras 2 and in Keras 3.
ACTIVATIONS = (
    *("elu", "exponential", "gelu", "leaky_relu", "linear", "relu", "relu6", "selu"),
    *("sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh"),
)
OLD_CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution2D": "Conv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
}
OLD_ARGUMENTS = {("LeakyReLU", "alpha"): "negative_slope"}
SWITCHES = ("use_bias", "center", "scale", "keepdims")
MODELS = ("Sequential", "Functional", "Model")


class Layer(NamedTuple):
    """A layer: `inputs` are the names of the layers it is called on, `saved_class` is the class name in the file.

    An "InputLayer" has no inputs and one argument, `shape`, without the batch dimension.
    """

    name: str
    class_name: str
    saved_class: str
    arguments: dict
    inputs: tuple = ()


class Architecture(NamedTuple):
    """A model as a graph: its `Layer`s in file order, and the names of its input and output layers."""

    layers: list
    inputs: tuple
    outputs: tuple


def read_architecture(config):
    """Read a model's config.

    Args:
        config: the decoded JSON in the attribute `model_config` of a `.h5` or in the `config.json` of a `.keras`.

    Returns:
        An `Architecture`.

    Raises:
        ValueError: a layer, an activation or a connection is not supported; the message is one line without the path.
    """
    try:
        class_name, inner = config["class_name"], config["config"]
        if class_name not in MODELS or _is_custom(config):
            raise ValueError(f"its class {class_name} is custom code, which is never run")
        if class_name == "Sequential":
            return _read_sequential(inner)
        return _read_graph(inner)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"its model config is damaged ({error!r})") from None


def _read_sequential(config):
    # Keras up to 2.2.2 saved the list of layers alone.
    entries = config if isinstance(config, list) else config["layers"]
    layers = []
    if entries[0]["class_name"] != "InputLayer":
        layers.append(Layer("input", "InputLayer", "InputLayer", arguments={"shape": _first_shape(config, entries[0])}))
    for entry in entries:
        layers.append(_read_layer(entry, inputs=tuple(layer.name for layer in layers[-1:])))
    return Architecture(layers, (layers[0].name,), (layers[-1].name,))


def _first_shape(config, entry):
    """The shape of the input of a model without an InputLayer."""
    shape = entry["config"].get("batch_input_shape")
    if shape is None and isinstance(config, dict):
        shape = config.get("build_input_shape")
    if shape is None:
        raise ValueError("was saved before it had an input size, so it cannot be rebuilt")
    return _without_batch(shape)


def _read_graph(config):
    layers = [_read_layer(entry, _inputs_of(entry)) for entry in config["layers"]]
    return Architecture(layers, _layer_names(config["input_layers"]), _layer_names(config["output_layers"]))


def _read_layer(entry, inputs):
    saved_class, config = entry["class_name"], entry["config"]
    name = config.get("name") or entry["name"]
    class_name = OLD_CLASSES.get(saved_class, saved_class)
    if saved_class in MODELS:
        raise ValueError(
            f"is several models in one ({name} is one of them), like the tutorials' gan_model; save one of them alone"
        )
    if class_name not in LAYERS or _is_custom(entry):
        raise ValueError(f"its layer {name} is a {saved_class}, which is not supported; code in files is never run")
    if class_name == "InputLayer":
        shape = config.get("batch_shape") or config["batch_input_shape"]
        return Layer(name, class_name, saved_class, arguments={"shape": _without_batch(shape)})
    if class_name == "Conv2DTranspose" and config.get("groups", 1) != 1:
        raise ValueError(f"its layer {name} is a Conv2DTranspose with {config['groups']} groups, which Keras 3 lacks")
    return Layer(name, class_name, saved_class, arguments=_arguments(name, class_name, config), inputs=inputs)


def _is_custom(entry):
    """Whether a class is not one of Keras's own, whatever its name."""
    package = (entry.get("module") or "keras").split(".")[0]
    return package not in ("keras", "tf_keras", "tensorflow") or ">" in (entry.get("registered_name") or "")


def _arguments(name, class_name, config):
    arguments = {}
    for key, value in config.items():
        argument = OLD_ARGUMENTS.get((class_name, key), key)
        if argument in LAYERS[class_name]:
            arguments[argument] = _plain(name, key, value)
    activation = arguments.get("activation")
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(f"its layer {name} has the activation {activation}, which is not supported")
    if class_name == "BatchNormalization" and isinstance(arguments.get("axis"), list):
        (arguments["axis"],) = arguments["axis"]
    return arguments


def _plain(name, key, value):
    """A number, string or list; arrays and tuples are taken out of the dictionaries that some versions wrap them in."""
    if isinstance(value, dict):
        if "items" in value:
            value = value["items"]
        elif "value" in value:
            value = value["value"]
        else:
            raise ValueError(f"its layer {name} has an object as its {key}; code in files is never run")
    if isinstance(value, list):
        return [_plain(name, key, item) for item in value]
    if isinstance(value, bool) and key not in SWITCHES:  # Python would take it for 1 or 0
        raise ValueError(f"its layer {name} has {value} as its {key}, which is not a number; save it again")
    return value


def _without_batch(shape):
    return tuple(_plain("input", "shape", shape)[1:])


def _inputs_of(entry):
    """The names of the layers that a layer is called on, from the `inbound_nodes` of Keras 2 or 3."""
    calls = entry["inbound_nodes"]
    if not calls:
        return ()
    if len(calls) > 1:
        raise ValueError(f"its layer {entry['name']} is used twice, which is not supported")
    (call,) = calls
    if isinstance(call, dict):
        names, options = list(_history(call["args"])), [call["kwargs"]]
    else:
        names, options = [tensor[0] for tensor in call], [tensor[3] for tensor in call if len(tensor) > 3]
    if any(value not in (None, False) for option in options for value in option.values()):
        raise ValueError(f"its layer {entry['name']} is called with arguments, which are not supported")
    return tuple(names)


def _history(value):
    """The names of the layers in the arguments of a Keras 3 call."""
    if isinstance(value, list):
        for item in value:
            yield from _history(item)
    else:
        yield value["config"]["keras_history"][0]


def _layer_names(value):
    """The names in `input_layers` or `output_layers`: one [name, node, tensor] or several, in lists or dictionaries."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value[0], str):
        return (value[0],)
    return tuple(name for item in value for name in _layer_names(item))
