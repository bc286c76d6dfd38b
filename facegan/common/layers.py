"""The layers of saved networks in numpy, for one input at a time: what each of them computes once it is trained.

Each function in `LAYERS` takes the shape of a layer's input without the batch dimension, a function that hands out the
layer's weights, and the arguments of the Keras class with Keras's defaults, and returns a `Step`. Images are (height,
width, channels) here; `make_step` turns those of layers with the channels first. numpy only.
"""

import functools
import math
import operator
from typing import NamedTuple

import numpy as np

# Numbers in a convolution's temporary array: a megabyte stays in a core's cache until it has been used.
BLOCK = 2**18
FEW_FILTERS = 8
LARGEST = 2**28  # numbers in an output, a gigabyte: more is a damaged file


class Step(NamedTuple):
    """What a layer computes: `compute`, then `elementwise`; a layer that does nothing has neither.

    Attributes:
        shape: of the output.
        compute: the input, a float32 array (those of `MERGING` take one for each input) → an array.
        elementwise: (x, out) → an array of x's shape; it may use `out`, which is x or None, for the result.
        view: whether `compute` returns its input's memory rather than memory of its own.
    """

    shape: tuple
    compute: object = None
    elementwise: object = None
    view: bool = False


def make_step(class_name, shapes, weights, arguments):
    """Make the `Step` of a layer.

    Args:
        class_name: a key of `LAYERS`. shapes: of its inputs. arguments: those of the Keras class, by name.
        weights: a function from the shapes of the arrays that the layer needs to these arrays, float32.

    Raises:
        ValueError, TypeError and others: the arguments do not fit together.
    """
    arguments = dict(arguments)
    channels_first = arguments.pop("data_format", None) == "channels_first"
    activation = arguments.pop("activation", None)
    if class_name in MERGING:
        step = LAYERS[class_name](shapes, **arguments)
    else:
        (shape,) = shapes
        step = LAYERS[class_name]((*shape[1:], shape[0]) if channels_first else shape, weights, **arguments)
    if channels_first:
        step = _with_channels_first(step)
    if activation is not None:
        step = step._replace(elementwise=ACTIVATIONS[activation])
    if min(step.shape) < 1 or math.prod(step.shape) > LARGEST:
        raise ValueError(f"its output would be {'x'.join(map(str, step.shape))}")
    return step


def _with_channels_first(step):
    """The step of a layer of images (channels, height, width); an output that is not an image stays as it is."""

    def compute(x):
        y = step.compute(np.ascontiguousarray(np.moveaxis(x, 0, -1)))
        return np.ascontiguousarray(np.moveaxis(y, -1, 0)) if y.ndim == 3 else y

    shape = (step.shape[-1], *step.shape[:-1]) if len(step.shape) == 3 else step.shape
    return step._replace(shape=shape, compute=compute if step.compute else None, view=False)


# Activations: functions (x, out) → result.


def _slope(slope):
    """x where it is positive, otherwise x · slope, which is a number or an array."""
    if np.all(slope <= 1):
        return lambda x, out: np.maximum(x, x * slope, out=out)
    return lambda x, out: np.where(x > 0, x, x * slope)


def _relu(negative_slope=0.0, max_value=None, threshold=0.0):
    if max_value is None and not threshold:
        return _slope(negative_slope) if negative_slope else lambda x, out: np.maximum(x, 0, out=out)

    def function(x, out):
        y = np.where(x > threshold, x, 0)
        y = y if max_value is None else np.minimum(y, max_value)
        return y - negative_slope * np.maximum(threshold - x, 0)

    return function


def _elu(alpha=1.0, scale=1.0):
    return lambda x, out: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _sigmoid(x, out):
    return np.multiply(np.tanh(x * 0.5) + 1, 0.5, out=out)  # the exponential of 1 / (1 + exp(−x)) would overflow


def _silu(x, out):
    return np.multiply(x, _sigmoid(x, None), out=out)


def _gelu(x, out):
    """x · Φ(x), with the error function of Abramowitz and Stegun 1964, 7.1.26, exact to 1.5e-7."""
    size = np.abs(x) * math.sqrt(0.5)
    t, series = 1 / (1 + 0.3275911 * size), 0.0
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + factor) * t
    return 0.5 * x * (1 + np.copysign(1 - series * np.exp(-size * size), x))


def _softmax(axes):
    def function(x, out):
        powers = np.exp(x - x.max(axis=axes, keepdims=True))
        return np.divide(powers, powers.sum(axis=axes, keepdims=True), out=out)

    return function


ACTIVATIONS = {
    "elu": _elu(),
    "exponential": lambda x, out: np.exp(x, out=out),
    "gelu": _gelu,
    "leaky_relu": _slope(0.2),
    "linear": None,
    "relu": _relu(),
    "relu6": _relu(max_value=6),
    "selu": _elu(1.6732632423543772, 1.0507009873554805),
    "sigmoid": _sigmoid,
    "silu": _silu,
    "softmax": _softmax(-1),
    "softplus": lambda x, out: np.logaddexp(x, np.float32(0), out=out),
    "softsign": lambda x, out: np.divide(x, 1 + np.abs(x), out=out),
    "swish": _silu,
    "tanh": lambda x, out: np.tanh(x, out=out),
}


# Layers that work on each number alone.


def _unchanged(shape, weights, **arguments):
    """Activation, whose function `make_step` adds, and layers that act in training only."""
    return Step(shape)


def _leaky_relu(shape, weights, negative_slope=0.3):
    return Step(shape, elementwise=_slope(float(negative_slope)))


def _relu_layer(shape, weights, negative_slope=0.0, max_value=None, threshold=0.0):
    largest = None if max_value is None else float(max_value)
    return Step(shape, elementwise=_relu(float(negative_slope or 0), largest, float(threshold or 0)))


def _elu_layer(shape, weights, alpha=1.0):
    return Step(shape, elementwise=_elu(float(alpha)))


def _prelu(shape, weights, shared_axes=None):
    (slope,) = weights([1 if axis + 1 in (shared_axes or ()) else length for axis, length in enumerate(shape)])
    return Step(shape, elementwise=_slope(slope))


def _softmax_layer(shape, weights, axis=-1):
    axes = axis if isinstance(axis, list) else [axis]
    return Step(shape, elementwise=_softmax(tuple(_axis(each, shape) for each in axes)))


def _axis(axis, shape):
    """The number of an axis without the batch dimension, from Keras's, which counts it."""
    number = axis + len(shape) if axis < 0 else axis - 1
    if not 0 <= number < len(shape):
        raise ValueError(f"there is no axis {axis}")
    return number


def _batch_normalization(shape, weights, axis=-1, momentum=None, epsilon=1e-3, center=True, scale=True):
    axis = _axis(axis, shape)
    *learnt, mean, variance = weights(*[shape[axis : axis + 1]] * (2 + center + scale))
    factor = (learnt[0] if scale else 1) / np.sqrt(variance + np.float32(epsilon))
    offset = (learnt[-1] if center else 0) - mean * factor
    factor, offset = (part.reshape([-1 if k == axis else 1 for k in range(len(shape))]) for part in (factor, offset))

    def function(x, out):
        y = np.multiply(x, factor, out=out)
        return np.add(y, offset, out=y)

    return Step(shape, elementwise=function)


def _embedding(shape, weights, input_dim, output_dim):
    raise ValueError("it takes the numbers of classes, not latents (a conditional generator?)")


# Layers that give an array another shape.


def _reshape(shape, weights, target_shape):
    known = math.prod(length for length in target_shape if length != -1)
    target = tuple(math.prod(shape) // known if length == -1 else length for length in target_shape)
    if math.prod(target) != math.prod(shape):
        raise ValueError(f"cannot make {target} of {shape}")
    return Step(target, lambda x: x.reshape(target), view=True)


def _flatten(shape, weights):
    return Step((math.prod(shape),), lambda x: x.reshape(-1), view=True)


def _zero_padding(shape, weights, padding=(1, 1)):
    (top, bottom), (left, right) = _sides(padding)
    height, width, channels = shape
    padded = (top + height + bottom, left + width + right, channels)
    return Step(padded, lambda x: _padded(x, padded, top, left))


def _padded(x, shape, top, left, value=0.0):
    """An array of a larger shape, filled with a value but for x (height, width, channels); x itself if that fits."""
    if x.shape == shape:
        return np.ascontiguousarray(x)
    y = np.full(shape, value, np.float32)
    y[top : top + x.shape[0], left : left + x.shape[1]] = x
    return y


def _cropping(shape, weights, cropping=((0, 0), (0, 0))):
    (top, bottom), (left, right) = _sides(cropping)
    height, width, channels = shape
    cropped = (height - top - bottom, width - left - right, channels)
    return Step(cropped, lambda x: x[top : height - bottom, left : width - right].copy())


def _sides(value):
    """((top, bottom), (left, right)) from a number for all four, two for the axes, or all four."""
    vertical, horizontal = (value, value) if isinstance(value, int) else value
    return _pair(vertical), _pair(horizontal)


def _pair(value):
    """(vertical, horizontal), or (first, last), from one whole number for both or two."""
    first, second = (value, value) if isinstance(value, int) else value
    if min(first, second) < 0:
        raise ValueError(f"{value} is negative")
    return operator.index(first), operator.index(second)


def _up_sampling(shape, weights, size=(2, 2), interpolation="nearest"):
    height, width, channels = shape
    down, across = _pair(size)
    larger = (height * down, width * across, channels)

    def repeat(x):
        y = np.empty((height, down, width, across, channels), np.float32)
        y[:] = x[:, None, :, None]
        return y.reshape(larger)

    if interpolation == "nearest":
        return Step(larger, repeat)
    rows, columns = _resizing(height, down, interpolation), _resizing(width, across, interpolation)
    return Step(larger, lambda x: columns @ (rows @ x.reshape(height, -1)).reshape(-1, width, channels))


# Of an interpolation: how many pixels its kernel reaches, and the kernel. "bicubic" is that of Keys 1981 with a = −0.5.
KERNELS = {
    "bilinear": (1, lambda x: 1 - x),
    "bicubic": (2, lambda x: np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2)),
    "lanczos3": (3, lambda x: np.sinc(x) * np.sinc(x / 3)),
    "lanczos5": (5, lambda x: np.sinc(x) * np.sinc(x / 5)),
}


def _resizing(length, factor, interpolation):
    """The matrix (length · factor, length) that enlarges a row of pixels; what lies beyond its ends has no weight."""
    reach, kernel = KERNELS[interpolation]
    places = (np.arange(length * factor) + 0.5) / factor - 0.5
    distances = np.abs(places[:, None] - np.arange(length))
    matrix = np.where(distances < reach, kernel(distances), 0)
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


# Layers that join several inputs: they take the shapes of all of them, and have no weights.


def _merge(function):
    def layer(shapes):
        if len(shapes) < 2 or len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"cannot join {shapes}")
        return Step(np.broadcast_shapes(*shapes), lambda *inputs: functools.reduce(function, inputs))

    return layer


def _concatenate(shapes, axis=-1):
    axis = _axis(axis, shapes[0])
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"cannot join {shapes}")
    length = sum(shape[axis] for shape in shapes)
    joined = (*shapes[0][:axis], length, *shapes[0][axis + 1 :])
    return Step(joined, lambda *inputs: np.concatenate(inputs, axis))


# Pooling.


class _Fit(NamedTuple):
    """How a window slides along an axis: the length of the output, of the padded input, and of the padding before."""

    output: int
    padded: int
    before: int


def _fit(length, size, stride, dilation, padding):
    reach = (size - 1) * dilation + 1
    if padding.lower() == "valid":
        return _Fit((length - reach) // stride + 1, length, 0)
    output = -(-length // stride)
    missing = max((output - 1) * stride + reach - length, 0)
    return _Fit(output, length + missing, missing // 2)


def _pooling(function, outside):
    """A layer that merges the pixels of a window with a function; pixels beyond the edges have the value `outside`."""

    def layer(shape, weights, pool_size=(2, 2), strides=None, padding="valid"):
        size, strides = _pair(pool_size), _pair(strides or pool_size)
        rows, columns = (_fit(shape[k], size[k], strides[k], 1, padding) for k in (0, 1))
        padded = (rows.padded, columns.padded, shape[2])

        def pool(x):
            x = _padded(x, padded, rows.before, columns.before, outside)
            # A window's rows are merged first, then its columns: fewer operations than all pixels one by one.
            last = (rows.output - 1) * strides[0] + 1
            x = functools.reduce(function, [x[k : k + last : strides[0]] for k in range(size[0])])
            last = (columns.output - 1) * strides[1] + 1
            return functools.reduce(function, [x[:, k : k + last : strides[1]] for k in range(size[1])])

        return Step((rows.output, columns.output, shape[2]), pool)

    return layer


_max_pooling = _pooling(np.maximum, -np.inf)
_sum_pooling = _pooling(np.add, 0.0)


def _average_pooling(shape, weights, **arguments):
    step = _sum_pooling(shape, weights, **arguments)
    inside = step.compute(np.ones(shape, np.float32))  # pixels beyond the edges do not count
    return step._replace(compute=lambda x: step.compute(x) / inside)


def _global_pooling(function):
    def layer(shape, weights, keepdims=False):
        _, _, channels = shape
        pooled = (1, 1, channels) if keepdims else (channels,)
        return Step(pooled, lambda x: function(x, axis=(0, 1), keepdims=keepdims))

    return layer


# Dense layers and convolutions.


def _dense(shape, weights, units, use_bias=True):
    kernel, *bias = weights((shape[-1], units), *[(units,)] * use_bias)
    output = (*shape[:-1], units)
    return Step(output, _with_bias(lambda x: (x.reshape(-1, shape[-1]) @ kernel).reshape(output), bias))


def _convolution(
    shape, weights, filters, kernel_size, strides=(1, 1), padding="valid", dilation_rate=(1, 1), use_bias=True, groups=1
):
    size, strides, dilation = _pair(kernel_size), _pair(strides), _pair(dilation_rate)
    channels = shape[2] // groups
    kernel, *bias = weights((*size, channels, filters), *[(filters,)] * use_bias)
    fits = [_fit(shape[k], size[k], strides[k], dilation[k], padding) for k in (0, 1)]
    output = (fits[0].output, fits[1].output, filters)
    if groups > 1:
        parts = np.split(kernel, groups, axis=-1)
        gather = [_gather((*shape[:2], channels), part, strides, dilation, fits) for part in parts]

        def compute(x):
            inputs = np.split(x, groups, axis=-1)
            return np.concatenate([one(part) for one, part in zip(gather, inputs, strict=True)], axis=-1)

    elif strides == (1, 1) and filters < channels:
        # The same as a transposed convolution with the kernel turned by half a turn.
        turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
        before = [(size[k] - 1) * dilation[k] - fits[k].before for k in (0, 1)]
        compute = _scatter(shape, turned, strides, dilation, output, before)
    else:
        compute = _gather(shape, kernel, strides, dilation, fits)
    return Step(output, _with_bias(compute, bias))


def _transposed_convolution(
    shape,
    weights,
    filters,
    kernel_size,
    strides=(1, 1),
    padding="valid",
    dilation_rate=(1, 1),
    use_bias=True,
    output_padding=None,
):
    size, strides, dilation = _pair(kernel_size), _pair(strides), _pair(dilation_rate)
    kernel, *bias = weights((*size, filters, shape[2]), *[(filters,)] * use_bias)
    output, before = [], []
    for k, extra in enumerate(_pair(output_padding) if output_padding is not None else (None, None)):
        reach = (size[k] - 1) * dilation[k] + 1
        whole = (shape[k] - 1) * strides[k] + reach
        if padding.lower() == "valid":
            output.append(whole + (max(strides[k] - reach, 0) if extra is None else extra))
            before.append(0)
        else:
            rest = strides[k] if extra is None else reach % 2 + extra
            output.append((shape[k] - 1) * strides[k] + rest)
            before.append(max(whole - output[k], 0) // 2)
    output = (*output, filters)
    return Step(output, _with_bias(_scatter(shape, kernel, strides, dilation, output, before), bias))


def _with_bias(compute, bias):
    if not bias:
        return compute

    def with_bias(x):
        y = compute(x)
        y += bias[0]
        return y

    return with_bias


def _gather(shape, kernel, strides, dilation, fits):
    """A convolution: the pixels under the kernel are gathered as rows, and one matrix product weighs them.

    Args:
        shape: of the input. kernel: (height, width, channels, filters). fits: a `_Fit` for each axis.
    """
    rows, columns = fits
    padded = (rows.padded, columns.padded, shape[2])
    window = (*kernel.shape[:2], shape[2])
    matrix = np.ascontiguousarray(kernel.reshape(-1, kernel.shape[3]))
    at_once = max(1, BLOCK // (columns.output * len(matrix)))
    inner = (padded[1] * padded[2] * 4, padded[2] * 4, 4)  # bytes from row to row, pixel to pixel, channel to channel
    steps = (strides[0] * inner[0], strides[1] * inner[1], dilation[0] * inner[0], dilation[1] * inner[1], 4)

    def compute(x):
        x = _padded(x, padded, rows.before, columns.before)
        y = np.empty((rows.output * columns.output, kernel.shape[3]), np.float32)
        for first in range(0, rows.output, at_once):
            count = min(at_once, rows.output - first)
            seen = np.ndarray((count, columns.output, *window), np.float32, x, first * steps[0], steps)
            part = slice(first * columns.output, (first + count) * columns.output)
            np.matmul(seen.reshape(-1, len(matrix)), matrix, out=y[part])
        return y.reshape(rows.output, columns.output, -1)

    return compute


def _scatter(shape, kernel, strides, dilation, output, before):
    """A transposed convolution: one matrix product for all places of the kernel, which are added where they fall.

    Args:
        shape: of the input. kernel: (height, width, filters, channels). output: its shape.
        before: how many rows and columns are cut off at the top and the left.
    """
    height, width, channels = shape
    rows, columns, filters, _ = kernel.shape
    matrix = kernel.reshape(-1, channels)
    at_once = max(1, BLOCK // (width * len(matrix)))
    down = _places(height, rows, strides[0], dilation[0], before[0], output[0])
    across = _places(width, columns, strides[1], dilation[1], before[1], output[1])
    # numpy adds along what is adjacent in memory. With few filters, such as three colours, that must be the pixels.
    planes = filters < FEW_FILTERS
    matrix = np.ascontiguousarray(matrix if planes else matrix.T)

    def compute(x):
        y = np.zeros((filters, *output[:2]), np.float32).transpose(1, 2, 0) if planes else np.zeros(output, np.float32)
        for first in range(0, height, at_once):
            block = x[first : first + at_once]
            if planes:
                product = matrix @ block.reshape(-1, channels).T
                product = product.reshape(rows, columns, filters, -1, width).transpose(3, 4, 0, 1, 2)
            else:
                product = (block.reshape(-1, channels) @ matrix).reshape(-1, width, rows, columns, filters)
            for row, top, bottom, shift in down:
                top, bottom = max(top - first, 0), min(bottom - first, len(block))
                if top < bottom:
                    lines = y[_slice(top + first, bottom + first, strides[0], shift)]
                    for column, left, right, offset in across:
                        lines[:, _slice(left, right, strides[1], offset)] += product[
                            top:bottom, left:right, row, column
                        ]
        return np.ascontiguousarray(y)

    return compute


def _slice(first, end, stride, shift):
    """Where the numbers of the pixels `first` to `end` fall in the output."""
    return slice(first * stride + shift, (end - 1) * stride + shift + 1, stride)


def _places(length, size, stride, dilation, before, output):
    """Where a transposed convolution's products fall along an axis: pixel j's at j · stride + shift.

    Returns:
        For each place of the kernel: its number, the pixels (first, end) whose products fall into the output, and
        `shift`.
    """
    shifts = [number * dilation - before for number in range(size)]
    places = [
        (number, max(0, -(shift // stride)), min(length, (output - 1 - shift) // stride + 1), shift)
        for number, shift in enumerate(shifts)
    ]
    return [place for place in places if place[1] < place[2]]


MERGING = ("Add", "Concatenate", "Multiply")
LAYERS = {
    "Activation": _unchanged,
    "Add": _merge(np.add),
    "AveragePooling2D": _average_pooling,
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Conv2D": _convolution,
    "Conv2DTranspose": _transposed_convolution,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "Dropout": _unchanged,
    "ELU": _elu_layer,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GaussianDropout": _unchanged,
    "GaussianNoise": _unchanged,
    "GlobalAveragePooling2D": _global_pooling(np.mean),
    "GlobalMaxPooling2D": _global_pooling(np.max),
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _max_pooling,
    "Multiply": _merge(np.multiply),
    "PReLU": _prelu,
    "ReLU": _relu_layer,
    "Reshape": _reshape,
    "Softmax": _softmax_layer,
    "SpatialDropout2D": _unchanged,
    "UpSampling2D": _up_sampling,
    "ZeroPadding2D": _zero_padding,
}
