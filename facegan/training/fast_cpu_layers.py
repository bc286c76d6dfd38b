"""Layers for training under TensorFlow on a CPU: the results of Keras's layers, computed in faster forms.

Three of the kernels that TensorFlow calls are far slower than the rest, and the same sums are faster in another form:

- few channels coming out of a convolution leave most of a vector register empty: `_few` and `_few_doubled` compute
  squares of 2x2 pixels at once, as channels;
- the gradient of a kernel over small maps in bfloat16: `_over_windows` is a few matrix products;
- the gradient of a bias in bfloat16, which one thread sums up in bfloat16, losing most of a large map to rounding:
  `_channel_sums` is a matrix product too, whose sums are float32.

`generators.save_model` saves each as its `plain_class`, Keras's own.
"""

import tensorflow as tf
from keras import layers

# Measured with AVX512_BF16 on maps of 4x4 to 20x20: beyond this, the kernel made for it is as fast or faster.
SMALL_MAP = 10 * 10
FEW_CHANNELS = 4


class Conv2D(layers.Conv2D):
    """A convolution of "same" padding and a square kernel; maps of few channels are images, whose sides are even."""

    plain_class = layers.Conv2D

    def call(self, inputs):
        def backward(inputs, kernel, gradients, stride):
            of_inputs = _transpose(gradients, kernel, stride, tf.shape(inputs))
            return of_inputs, _kernel_gradient(inputs, gradients, kernel.shape[0], stride)

        return _call(self, inputs, _convolve, backward)


class Conv2DTranspose(layers.Conv2DTranspose):
    """A transposed convolution of "same" padding and a square kernel; as for `Conv2D`."""

    plain_class = layers.Conv2DTranspose

    def call(self, inputs):
        def forward(inputs, kernel, stride):
            count, height, width, _ = tf.unstack(tf.shape(inputs))
            return _transpose(inputs, kernel, stride, (count, stride * height, stride * width, self.filters))

        def backward(inputs, kernel, gradients, stride):
            of_inputs = _convolve(gradients, kernel, stride)
            return of_inputs, _kernel_gradient(gradients, inputs, kernel.shape[0], stride)

        return _call(self, inputs, forward, backward)


class LeakyReLU(layers.LeakyReLU):
    """Leaky ReLU, whose gradient needs only what came out, since that has the sign of what went in.

    TensorFlow can then compute it within the convolution before it, whose own output nobody asks for.
    """

    plain_class = layers.LeakyReLU

    def call(self, inputs):
        @tf.custom_gradient
        def run(inputs):
            outputs = tf.nn.leaky_relu(inputs, self.negative_slope)

            def gradient(gradients):
                return tf.raw_ops.LeakyReluGrad(gradients=gradients, features=outputs, alpha=self.negative_slope)

            return outputs, gradient

        return run(inputs)


def _call(layer, inputs, forward, backward):
    """The output of a layer, whose gradients `backward` gives: (inputs, kernel, gradients, stride) → those of both."""
    stride = layer.strides[0]

    @tf.custom_gradient
    def run(inputs, kernel, *bias):
        outputs = forward(inputs, kernel, stride)

        def gradient(gradients):
            return *backward(inputs, kernel, gradients, stride), *(_channel_sums(gradients) for _ in bias)

        return (tf.nn.bias_add(outputs, *bias) if bias else outputs), gradient

    weights = [layer.kernel, layer.bias] if layer.use_bias else [layer.kernel]
    return run(inputs, *(tf.convert_to_tensor(weight) for weight in weights))


def _convolve(inputs, kernel, stride):
    """Convolve maps (n, height, width, in) with a kernel (size, size, in, out)."""
    if stride == 1 and _is_few(kernel.shape[0], kernel.shape[3]):
        return _few(inputs, kernel)
    return tf.nn.conv2d(inputs, kernel, stride, "SAME")


def _transpose(inputs, kernel, stride, shape):
    """The transposed convolution of maps (n, height, width, out) by a kernel (size, size, in, out), of that shape."""
    size, _, channels, _ = kernel.shape
    if stride == 1 and _is_few(size, channels):
        return _few(inputs, _flip(kernel))
    if stride == 2 and channels <= FEW_CHANNELS:
        return _few_doubled(inputs, kernel)
    return tf.nn.conv2d_transpose(inputs, kernel, shape, stride, "SAME")


def _kernel_gradient(inputs, gradients, size, stride):
    """The gradient of the kernel that convolves `inputs` to maps of which `gradients` are given."""
    if stride == 1 and _is_few(size, gradients.shape[3]) and gradients.shape[3] < inputs.shape[3]:
        return _flip(_kernel_gradient(gradients, inputs, size, stride))
    if inputs.dtype == tf.bfloat16 and gradients.shape[1] * gradients.shape[2] <= SMALL_MAP:
        return _over_windows(inputs, gradients, size, stride)
    shape = (size, size, inputs.shape[3], gradients.shape[3])
    return tf.raw_ops.Conv2DBackpropFilter(
        input=inputs, filter_sizes=shape, out_backprop=gradients, strides=(1, stride, stride, 1), padding="SAME"
    )


def _is_few(size, channels):
    """Whether so few channels come out of a kernel of stride 1, which must have a middle to be flipped."""
    return channels <= FEW_CHANNELS and size % 2


def _flip(kernel):
    """A kernel seen from the other side; of stride 1, its convolution is the transposed convolution by the other."""
    return tf.reverse(tf.transpose(kernel, (0, 1, 3, 2)), (0, 1))


def _few(inputs, kernel):
    """Convolve to few channels: with stride 2 by the kernel at each of four places, a pixel of a square for each."""
    places = [tf.pad(kernel, [[y, 1 - y], [x, 1 - x], [0, 0], [0, 0]]) for y in (0, 1) for x in (0, 1)]
    side = (kernel.shape[0] // 2,) * 2
    squares = tf.nn.conv2d(tf.pad(inputs, [[0, 0], side, side, [0, 0]]), tf.concat(places, 3), 2, "VALID")
    return tf.nn.depth_to_space(squares, 2)


def _few_doubled(inputs, kernel):
    """The transposed convolution of stride 2 to few channels: each pixel of a square sees every second tap."""
    size = kernel.shape[0]
    before = max(size - 2, 0) // 2
    reach = max((before + 1) // 2, (size - 1 - before) // 2)
    taps = 2 * reach + 1
    # Pixel 2i + a meets input i + t - reach at tap 2(reach - t) + a + before, which counts from the end as t grows.
    kernel = tf.pad(_flip(kernel), [[taps, taps], [taps, taps], [0, 0], [0, 0]])
    starts = [size - 1 - 2 * reach - before - a + taps for a in (0, 1)]
    places = [kernel[y : y + 2 * taps : 2, x : x + 2 * taps : 2] for y in starts for x in starts]
    return tf.nn.depth_to_space(tf.nn.conv2d(inputs, tf.concat(places, 3), 1, "SAME"), 2)


def _over_windows(inputs, gradients, size, stride):
    """`_kernel_gradient` by matrix products over all pixels, one for as many taps of a row as the stride has pixels."""
    _, height, width, channels = inputs.shape
    high, wide = gradients.shape[1:3]
    beyond = -(-size // stride) - 1

    def sides(length, windows):
        before = max(stride * (windows - 1) + size - length, 0) // 2
        return before, stride * (windows + beyond) - length - before

    # A cell is `stride` pixels in a row; the last that a window reaches into may belong to it in part.
    cells = tf.pad(inputs, [[0, 0], sides(height, high), sides(width, wide), [0, 0]])
    cells = tf.reshape(cells, (-1, high + beyond, stride, wide + beyond, stride * channels))
    taps = []
    for y in range(size):
        for x in range(0, size, stride):
            top, left, length = y // stride, x // stride, min(stride, size - x) * channels
            seen = cells[:, top : top + high, y % stride, left : left + wide, :length]
            taps.append(_product(seen, gradients))
    return tf.reshape(tf.concat(taps, 0), (size, size, channels, gradients.shape[3]))


def _channel_sums(maps):
    """Sums (channels,) over all pixels."""
    return _product(tf.ones_like(maps[..., :1]), maps)[0]


def _product(left, right):
    """Sums over all pixels (left channels, right channels) of the products of their channels."""
    left, right = (tf.reshape(maps, (-1, maps.shape[3])) for maps in (left, right))
    return tf.matmul(left, right, transpose_a=True)
