"""A generator as data for a web page: its layers as JSON, its weights as text."""

import base64

import numpy as np

LARGEST_HALF = 65_504  # the largest number of 16 bits


def describe(architecture, arrays):
    """Describe a network for `pages/network.js`.

    Args:
        architecture: a `model_config.Architecture`. arrays: a dictionary from layer names to their weights in order.

    Returns:
        (network, weights): JSON data, and the base64 text of all weights. Kernels have 16 bits a number, which halves
        the page; biases, and what batch normalization scales by, keep 32.

    Raises:
        ValueError: a layer that no page can draw.
    """
    layers, parts, offset = [], [], 0
    for layer in _in_order(architecture):
        places = []
        for array in arrays.get(layer.name, []):
            half = array.ndim > 1 and np.abs(array).max(initial=0) <= LARGEST_HALF
            data = np.ascontiguousarray(array, "<f2" if half else "<f4").tobytes()
            places.append({"offset": offset, "shape": list(array.shape), "half": bool(half)})
            parts.append(data + bytes(-len(data) % 4))
            offset += len(parts[-1])
        layers.append(
            {
                "name": layer.name,
                "kind": layer.class_name,
                "settings": layer.arguments,
                "inputs": list(layer.inputs),
                "weights": places,
            }
        )
    network = {"layers": layers, "output": architecture.outputs[0]}
    return network, base64.b64encode(b"".join(parts)).decode("ascii")


def _in_order(architecture):
    """The layers, each after the layers that it is called on."""
    by_name = {layer.name: layer for layer in architecture.layers}
    ordered = {}

    def visit(name):
        if name not in ordered:
            for source in by_name[name].inputs:
                visit(source)
            ordered[name] = by_name[name]

    visit(architecture.outputs[0])
    return list(ordered.values())
