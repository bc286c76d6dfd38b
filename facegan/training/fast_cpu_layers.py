"""Layers for training under TensorFlow on a CPU: the results of Keras's layers, computed in faster forms.

Three of the kernels that TensorFlow calls are far slower than the rest, and the same sums are faster in another form:

- A convolution with few output channels leaves most of a vector register empty. `_few` and `_few_doubled` compute
  squares of 2x2 pixels at once, as channels.
- The gradient of a kernel: `_over_windows` computes it as a few matrix products. TensorFlow's own is slow over small
  maps in bfloat16; where the processor does not multiply bfloat16, it is slow in float32, and rounds the sums in
  bfloat16.
- The gradient of a bias in bfloat16: one thread sums it in bfloat16 and loses most of a large map to rounding.
  `_channel_sums` is a matrix product that sums in float32.

`generators.save_model` saves each layer as its `plain_class`, Keras's own.
"""

from facegan.common import hardware

import tensorflow as tf
from keras import layers

# Measured with AVX512_BF16 on maps of 4x4 to 20x20: beyond this size, TensorFlow's own kernel is as fast or faster.
SMALL_MAP = 10 * 10
# Measured with AVX2 on maps of 4x4 to 40x40 with 3 to 1,024 channels.
MANY_CHANNELS = 32
FEW_CHANNELS = 4


class Conv2D(layers.Conv2D):
    """A convolution with "same" padding and a square kernel; maps with few channels are images, with even sides."""

    plain_class = layers.Conv2D

    def call(self, inputs):
        def backward(inputs, kernel, gradients, stride):
            of_inputs = _transpose(gradients, kernel, stride, tf.shape(inputs))
            return of_inputs, _kernel_gradient(inputs, gradients, kernel.shape[0], stride)

        return _call(self, inputs, _convolve, backward)


class Conv2DTranspose(layers.Conv2DTranspose):
    """A transposed convolution with "same" padding and a square kernel; otherwise as `Conv2D`."""

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
    """Leaky ReLU whose gradient needs only its output, which has the same sign as its input.

    TensorFlow can then fuse it into the convolution before it, whose own output is not needed.
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
    """The output of a layer with gradients from `backward`: (inputs, kernel, gradients, stride) → those of both."""
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
    """The transposed convolution of maps (n, height, width, out) by a kernel (size, size, in, out), to that shape."""
    size, _, channels, _ = kernel.shape
    if stride == 1 and _is_few(size, channels):
        return _few(inputs, _flip(kernel))
    if stride == 2 and channels <= FEW_CHANNELS:
        return _few_doubled(inputs, kernel)
    return tf.nn.conv2d_transpose(inputs, kernel, shape, stride, "SAME")


def _kernel_gradient(inputs, gradients, size, stride):
    """The gradient of the kernel that convolves `inputs` into maps whose gradients are `gradients`."""
    if stride == 1 and _is_few(size, gradients.shape[3]) and gradients.shape[3] < inputs.shape[3]:
        return _flip(_kernel_gradient(gradients, inputs, size, stride))
    slow = not hardware.find_cpu().fast_bfloat16
    small = gradients.shape[1] * gradients.shape[2] <= SMALL_MAP
    many = min(inputs.shape[3], gradients.shape[3]) >= MANY_CHANNELS
    if (slow or small) if inputs.dtype == tf.bfloat16 else (slow and many):
        return _over_windows(inputs, gradients, size, stride)
    shape = (size, size, inputs.shape[3], gradients.shape[3])
    return tf.raw_ops.Conv2DBackpropFilter(
        input=inputs, filter_sizes=shape, out_backprop=gradients, strides=(1, stride, stride, 1), padding="SAME"
    )


def _is_few(size, channels):
    """Whether a kernel of stride 1 has few output channels, and a middle, which it needs to be flipped."""
    return channels <= FEW_CHANNELS and size % 2


def _flip(kernel):
    """Flip a kernel and swap its channels: at stride 1, convolving by the result is transposed convolution by it."""
    return tf.reverse(tf.transpose(kernel, (0, 1, 3, 2)), (0, 1))


def _few(inputs, kernel):
    """Convolve to few channels: with stride 2, by the kernel at four offsets, one for each pixel of a 2x2 square."""
    places = [tf.pad(kernel, [[y, 1 - y], [x, 1 - x], [0, 0], [0, 0]]) for y in (0, 1) for x in (0, 1)]
    side = (kernel.shape[0] // 2,) * 2
    squares = tf.nn.conv2d(tf.pad(inputs, [[0, 0], side, side, [0, 0]]), tf.concat(places, 3), 2, "VALID")
    return tf.nn.depth_to_space(squares, 2)


def _few_doubled(inputs, kernel):
    """The transposed convolution of stride 2 to few channels: each pixel of a 2x2 square uses every second tap."""
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
    """`_kernel_gradient` as matrix products over all pixels, each for `stride` neighbouring taps of a row."""
    _, height, width, channels = inputs.shape
    high, wide = gradients.shape[1:3]
    beyond = -(-size // stride) - 1

    def sides(length, windows):
        before = max(stride * (windows - 1) + size - length, 0) // 2
        return before, stride * (windows + beyond) - length - before

    # A cell is `stride` pixels in a row; a window may cover its last cell only in part.
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
