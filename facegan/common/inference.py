"""Compute a saved network's outputs with numpy, without Keras: for one input at a time, on every core.

One input after another, rather than a batch: an image's pixels then never depend on what else is drawn, its arrays stay
in the cache, and each core works on an image of its own. numpy only.
"""

import collections
import concurrent.futures
import os

from facegan.common.layers import make_step

import numpy as np


class Network:
    """A network that was read from a file, ready to compute.

    Args:
        architecture: its `model_config.Architecture`. arrays: its layers' weights, lists of arrays by the layer's name.

    Attributes:
        layers: the `model_config.Layer`s that the outputs need, in the order in which they are computed.
        weights: the arrays of each of these layers, by its name and in this order.
        input_shapes, output_shapes: of one input, without a batch dimension, a tuple for each input and output.
        last_activation: the name of the last activation on the way to the output, "linear" if there is none.

    Raises:
        ValueError: the layers do not fit together or do not fit their weights; the text is one line without the path.
    """

    def __init__(self, architecture, arrays):
        self.layers = layers = _in_order(architecture)
        self.weights = {layer.name: arrays.get(layer.name, []) for layer in layers}
        self._inputs, self._outputs = architecture.inputs, architecture.outputs
        uses = collections.Counter([*self._outputs, *(source for layer in layers for source in layer.inputs)])
        self._used_once = {name for name, count in uses.items() if count == 1}
        shapes, self._plan = {}, []
        own = set()  # the layers whose output is memory that nothing else needs, so that it may be overwritten
        for layer in layers:
            if layer.class_name == "InputLayer":
                shapes[layer.name] = _fixed(layer)
                continue
            step = _step(layer, [shapes[source] for source in layer.inputs], self.weights[layer.name])
            shapes[layer.name] = step.shape
            new = step.compute and not step.view
            overwrites = new or (own.issuperset(layer.inputs) and self._used_once.issuperset(layer.inputs))
            if overwrites or step.elementwise:
                own.add(layer.name)
            self._plan.append((layer.name, layer.inputs, step, overwrites))
        self.input_shapes = [shapes[name] for name in self._inputs]
        self.output_shapes = [shapes[name] for name in self._outputs]
        activations = [layer.arguments["activation"] for layer in layers if layer.arguments.get("activation")]
        self.last_activation = activations[-1] if activations else "linear"

    def __call__(self, *inputs):
        """Compute the output for one input, without a batch dimension; a list if there are several outputs."""
        values = dict(zip(self._inputs, inputs, strict=True))
        with np.errstate(all="ignore"):  # a damaged network draws nonsense, without warnings
            for name, sources, step, overwrites in self._plan:
                given = [values.pop(source) if source in self._used_once else values[source] for source in sources]
                value = step.compute(*given) if step.compute else given[0]
                if step.elementwise:
                    value = step.elementwise(value, value if overwrites else None)
                values[name] = value
        outputs = [values[name] for name in self._outputs]
        return outputs[0] if len(outputs) == 1 else outputs


def _in_order(architecture):
    """The inputs, and the layers that the outputs need, each after its own inputs."""
    by_name = {layer.name: layer for layer in architecture.layers}
    ordered = {}

    def add(name):
        if name not in by_name:
            raise ValueError(f"describes a network that cannot be built: it has no layer {name}")
        if name not in ordered:
            for source in by_name[name].inputs:
                add(source)
            ordered[name] = by_name[name]

    for name in (*architecture.inputs, *architecture.outputs):
        add(name)
    return list(ordered.values())


def _fixed(layer):
    shape = layer.arguments["shape"]
    if None in shape:
        raise ValueError(
            f"takes inputs of any size ({'x'.join(str(n or 'any') for n in shape)}); save it with one size"
        )
    return shape


class WeightsError(ValueError):
    """A layer's weights are not those that it needs."""


def _step(layer, shapes, saved):
    """The `layers.Step` of a layer, given the shapes of its inputs and its saved weights."""
    found, asked = [array.shape for array in saved], []

    def weights(*wanted):
        asked[:] = [tuple(shape) for shape in wanted]
        if found != asked:
            raise WeightsError(f"has weights {found} for the layer {layer.name}, which needs {asked}; save it again")
        return [array.astype(np.float32) for array in saved]

    try:
        step = make_step(layer.class_name, shapes, weights, layer.arguments)
        if not asked:
            weights()
        return step
    except WeightsError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"has a layer {layer.name} that cannot be built: {error}") from error


def on_every_core(work, count):
    """Call work(0), …, work(count − 1), on as many threads as there are cores; numpy's functions run side by side."""
    numbers = iter(range(count))

    def take():
        for number in numbers:
            work(number)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(max(1, min(cores, count))) as pool:
        try:
            for future in [pool.submit(take) for _ in range(min(cores, count))]:
                future.result()
        finally:
            collections.deque(numbers, maxlen=0)  # after an error or Ctrl-C, the other threads take nothing more
