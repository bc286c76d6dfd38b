"""A generator as data for a web page: its layers as JSON, its weights as text."""

import base64

import numpy as np

LARGEST_HALF = 65_504  # the largest number of 16 bits


def describe(network):
    """Describe a network of one output for `pages/network.js`.

    Args:
        network: an `inference.Network`.

    Returns:
        (description, weights): JSON data, and the base64 text of all weights. Kernels have 16 bits a number, which
        halves the page; biases, and what batch normalization scales by, keep 32.
    """
    layers, parts, offset = [], [], 0
    for layer in network.layers:
        places = []
        for array in network.weights[layer.name]:
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
    return {"layers": layers, "output": network.layers[-1].name}, base64.b64encode(b"".join(parts)).decode("ascii")
