"""Writes `.h5` files as Keras 2 laid them out, in its newest and in its oldest form, without needing Keras 2."""

import json

import h5py

NEW, OLD, GRAPH = "layers in a dictionary", "layers in a list", "a graph"
FORMS = (NEW, OLD, GRAPH)


def write_keras2_h5(model, path, form=NEW, change=lambda config: None):
    """Write a chain of layers, a Keras 3 model, as Keras 2 would have saved it.

    Args:
        model: a Sequential or Functional Keras 3 model in which each layer follows the one before it.
        path: the `.h5` to write.
        form: NEW, as Keras 2.13 and later; OLD, as Keras 2.2.2 and before: a list of layers, the input's shape in the
            first of them, no `groups`, bytes where text was later; GRAPH, a functional model of Keras 2.
        change: a function that changes the config in place before it is written.

    Returns:
        The config, as it was written.
    """
    shape = list(model.input_shape)
    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    entries = [{"class_name": type(layer).__name__, "config": _keras2_config(layer, form)} for layer in layers]
    source = {"class_name": "InputLayer", "config": {"batch_input_shape": shape, "dtype": "float32", "name": "source"}}
    if form == OLD:
        entries[0]["config"]["batch_input_shape"] = shape
        config = {"class_name": "Sequential", "config": entries}
    elif form == GRAPH:
        config = {"class_name": "Model", "config": _graph([source, *entries])}
    else:
        config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": [source, *entries]}}
    change(config)
    with h5py.File(path, "w") as file:
        encode = str.encode if form == OLD else str
        file.attrs["model_config"] = encode(json.dumps(config))
        weights = file.create_group("model_weights")
        for group in (file, weights):
            group.attrs["keras_version"] = encode("2.2.2" if form == OLD else "2.15.0")
            group.attrs["backend"] = encode("tensorflow")
        _write_weights(weights, layers)
    return config


def _keras2_config(layer, form):
    kept = layer.get_config()
    for key in ("dtype", "quantization_config"):
        kept.pop(key, None)
    for value in kept.values():
        if isinstance(value, dict):  # an initializer
            value["config"] = {
                key: value["config"][key] for key in ("mean", "stddev", "seed") if key in value["config"]
            }
    kind = type(layer).__name__
    if kind == "LeakyReLU":
        kept["alpha"] = kept.pop("negative_slope")
    elif kind == "BatchNormalization":
        kept = {key: value for key, value in kept.items() if not key.startswith("renorm") and key != "synchronized"}
        kept["axis"] = [len(layer.input.shape) - 1]
    elif kind == "Conv2DTranspose":
        kept["groups"] = 1
    if form == OLD:
        kept.pop("groups", None)
    else:
        kept["dtype"] = "float32"
    return kept


def _graph(entries):
    for before, entry in zip([None, *entries], entries, strict=False):
        entry["name"] = entry["config"]["name"]
        entry["inbound_nodes"] = [[[before["name"], 0, 0, {}]]] if before else []
    ends = entries[0]["name"], entries[-1]["name"]
    return {"name": "model", "layers": entries, "input_layers": [[ends[0], 0, 0]], "output_layers": [[ends[1], 0, 0]]}


def _write_weights(group, layers):
    group.attrs["layer_names"] = [layer.name.encode() for layer in layers]
    for layer in layers:
        inside = group.create_group(layer.name)
        names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
        inside.attrs["weight_names"] = [name.encode() for name in names]
        for name, weight in zip(names, layer.get_weights(), strict=True):
            inside[name] = weight
