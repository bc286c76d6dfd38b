// Draws images from latents with the layers of a generator, one image at a time, in plain JavaScript.
// A tensor is {shape, data}: without a batch dimension, channels last, float32.
"use strict";

const SKIPPED = ["Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout2D"]; // they act in training only

const size = (shape) => shape.reduce((product, side) => product * side, 1);
const tensor = (shape, data = new Float32Array(size(shape))) => ({ shape, data });
const pair = (value) => (Array.isArray(value) ? value : [value, value]);

class Network {
  // `layers` and `output` describe the network as page_network.py does; `bytes` hold the weights.
  constructor({ layers, output }, bytes) {
    this.layers = layers.map((layer) => ({ ...layer, weights: layer.weights.map((place) => unpacked(place, bytes)) }));
    this.matrices = new Matrices();
    for (const layer of this.layers) PREPARE[layer.kind]?.(layer, this.matrices);
    this.output = output;
  }

  // Computes the output for one input, an array of numbers: for a latent, an image in the range of the last activation.
  compute(numbers) {
    const results = new Map();
    for (const layer of this.layers) {
      const inputs = layer.inputs.map((name) => results.get(name));
      results.set(
        layer.name,
        inputs.length ? apply(layer, inputs, this.matrices) : tensor(layer.settings.shape, Float32Array.from(numbers)),
      );
    }
    return results.get(this.output);
  }
}

// One array of weights, of 16 or 32 bits a number, as float32.
function unpacked({ offset, shape, half }, bytes) {
  const count = size(shape);
  if (!half) return tensor(shape, new Float32Array(bytes.buffer, offset, count));
  const halves = new Uint16Array(bytes.buffer, offset, count);
  return tensor(
    shape,
    new Float32Array(count).map((_, k) => HALVES[halves[k]]),
  );
}

// The numbers that 16 bits of IEEE 754 stand for.
const HALVES = new Float32Array(2 ** 16).map((_, bits) => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 ? -magnitude : magnitude;
});

function apply(layer, inputs, matrices) {
  const settings = layer.settings;
  if (settings.data_format !== "channels_first") return LAYERS[layer.kind](inputs, settings, layer, matrices);
  const result = LAYERS[layer.kind](inputs.map(channelsLast), settings, layer, matrices);
  return result.shape.length === 3 ? channelsFirst(result) : result;
}

const channelsLast = ({ shape: [channels, height, width], data }) =>
  tensor([height, width, channels], transposed(data, channels, height * width));
const channelsFirst = ({ shape: [height, width, channels], data }) =>
  tensor([channels, height, width], transposed(data, height * width, channels));

function transposed(data, rows, columns) {
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column];
  }
  return result;
}

// What is done once, before the first image.
const PREPARE = {
  Dense(layer, matrices) {
    const [inputs, units] = layer.weights[0].shape;
    layer.matrix = matrices.keep(inputs, units, (row, column) => layer.weights[0].data[row * units + column]);
  },
  Conv2D(layer, matrices) {
    const {
      shape: [height, width, depth, filters],
      data,
    } = layer.weights[0];
    const groups = layer.settings.groups ?? 1;
    const each = filters / groups;
    layer.groups = Array.from({ length: groups }, (_, group) =>
      matrices.keep(height * width * depth, each, (row, column) => data[row * filters + group * each + column]),
    );
  },
  Conv2DTranspose(layer, matrices) {
    const {
      shape: [height, width, filters, depth],
      data,
    } = layer.weights[0];
    layer.matrix = matrices.keep(depth, height * width * filters, (row, column) => data[column * depth + row]);
  },
  BatchNormalization(layer) {
    const weights = layer.weights.map(({ data }) => data);
    const { scale = true, center = true, epsilon = 1e-3 } = layer.settings;
    const gamma = scale && weights.shift();
    const beta = center && weights.shift();
    const [mean, variance] = weights;
    layer.scale = Array.from(variance, (value, k) => (gamma ? gamma[k] : 1) / Math.sqrt(value + epsilon));
    layer.shift = layer.scale.map((scaled, k) => (beta ? beta[k] : 0) - mean[k] * scaled);
  },
};

const LAYERS = {
  Activation: ([x], { activation }) => activated(x, activation),
  Add: (inputs) => inputs.reduce((sum, x) => broadcast(sum, x, (a, b) => a + b)),
  AveragePooling2D: ([x], settings) =>
    pooled(
      x,
      settings,
      (sum, value) => sum + value,
      0,
      (sum, count) => sum / count,
    ),
  BatchNormalization: ([x], { axis = -1 }, { scale, shift }) => {
    const [outer, channels, inner] = split(x.shape, axis);
    const result = tensor(x.shape);
    for (let k = 0, at = 0; k < outer; k++) {
      for (let channel = 0; channel < channels; channel++) {
        for (const end = at + inner; at < end; at++) result.data[at] = x.data[at] * scale[channel] + shift[channel];
      }
    }
    return result;
  },
  Concatenate: (inputs, { axis = -1 }) => {
    const [outer, , inner] = split(inputs[0].shape, axis);
    const lengths = inputs.map((x) => split(x.shape, axis)[1] * inner);
    const shape = [...inputs[0].shape];
    shape[place(shape, axis)] = lengths.reduce((sum, length) => sum + length, 0) / inner;
    const result = tensor(shape);
    let to = 0;
    for (let k = 0; k < outer; k++) {
      inputs.forEach(({ data }, j) => {
        result.data.set(data.subarray(k * lengths[j], (k + 1) * lengths[j]), to);
        to += lengths[j];
      });
    }
    return result;
  },
  Conv2D: ([x], settings, layer, matrices) =>
    activated(biased(convolved(x, settings, layer, matrices), layer), settings.activation),
  Conv2DTranspose: ([x], settings, layer, matrices) =>
    activated(biased(convolvedBack(x, settings, layer, matrices), layer), settings.activation),
  Cropping2D: ([x], { cropping = 1 }) =>
    reframed(
      x,
      sides(cropping).map((side) => -side),
    ),
  Dense: ([x], { activation }, layer, matrices) => {
    const [inputs, units] = layer.weights[0].shape;
    const result = tensor([...x.shape.slice(0, -1), units]);
    matrices.rows(x.data.length / inputs, layer.matrix, rowOf(x), (row, products, from) => {
      for (let k = 0; k < units; k++) result.data[row * units + k] = products[from + k];
    });
    return activated(biased(result, layer), activation);
  },
  ELU: ([x], { alpha = 1 }) => mapped(x, (value) => (value > 0 ? value : alpha * Math.expm1(value))),
  Flatten: ([x]) => tensor([x.data.length], x.data),
  GlobalAveragePooling2D: ([x], { keepdims }) => overall(x, keepdims, (sum, value, count) => sum + value / count, 0),
  GlobalMaxPooling2D: ([x], { keepdims }) => overall(x, keepdims, (most, value) => Math.max(most, value), -Infinity),
  LeakyReLU: ([x], { negative_slope: slope = 0.3 }) => mapped(x, (value) => (value > 0 ? value : slope * value)),
  MaxPooling2D: ([x], settings) =>
    pooled(
      x,
      settings,
      (most, value) => Math.max(most, value),
      -Infinity,
      (most) => most,
    ),
  Multiply: (inputs) => inputs.reduce((product, x) => broadcast(product, x, (a, b) => a * b)),
  PReLU: ([x], settings, layer) =>
    broadcast(x, layer.weights[0], (value, slope) => (value > 0 ? value : slope * value)),
  ReLU: ([x], { max_value: most, negative_slope: slope = 0, threshold = 0 }) =>
    mapped(x, (value) => (value >= threshold ? Math.min(value, most ?? Infinity) : slope * (value - threshold))),
  Reshape: ([x], { target_shape: shape }) => {
    const known = size(shape.filter((side) => side >= 0));
    return tensor(
      shape.map((side) => (side < 0 ? x.data.length / known : side)),
      x.data,
    );
  },
  Softmax: ([x], { axis = -1 }) => softmax(x, axis),
  UpSampling2D: ([x], { size: factors = 2, interpolation = "nearest" }) => enlarged(x, pair(factors), interpolation),
  ZeroPadding2D: ([x], { padding = 1 }) => reframed(x, sides(padding)),
};
for (const kind of SKIPPED) LAYERS[kind] = ([x]) => x;

const ACTIVATIONS = {
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  exponential: Math.exp,
  gelu: (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)),
  leaky_relu: (x) => (x > 0 ? x : 0.2 * x),
  relu: (x) => Math.max(x, 0),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  silu: (x) => x / (1 + Math.exp(-x)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  softsign: (x) => x / (1 + Math.abs(x)),
  swish: (x) => x / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};

// Abramowitz and Stegun 7.1.26: wrong by less than 2e-7.
function errorFunction(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

function activated(x, name) {
  if (!name || name === "linear") return x;
  return name === "softmax" ? softmax(x, -1) : mapped(x, ACTIVATIONS[name]);
}

function mapped(x, change) {
  const data = new Float32Array(x.data.length);
  for (let k = 0; k < data.length; k++) data[k] = change(x.data[k], k);
  return tensor(x.shape, data);
}

// The place in a shape of one of Keras's axes, which count the batch as axis 0.
const place = (shape, axis) => (axis < 0 ? shape.length + axis : axis - 1);

// How many numbers there are before, along and after an axis.
function split(shape, axis) {
  const at = place(shape, axis);
  return [size(shape.slice(0, at)), shape[at], size(shape.slice(at + 1))];
}

// Combines two tensors number by number; sides of length 1, and those that the second one lacks, are repeated.
function broadcast(x, y, combine) {
  const rank = Math.max(x.shape.length, y.shape.length);
  const [one, other] = [x, y].map(({ shape }) => [...Array(rank - shape.length).fill(1), ...shape]);
  const result = tensor(one.map((side, k) => Math.max(side, other[k])));
  const steps = [one, other].map((shape) => shape.map((side, k) => (side === 1 ? 0 : size(shape.slice(k + 1)))));
  const at = Array(rank).fill(0);
  for (let k = 0; k < result.data.length; k++) {
    const [from, and] = steps.map((step) => step.reduce((sum, length, j) => sum + length * at[j], 0));
    result.data[k] = combine(x.data[from], y.data[and]);
    for (let j = rank - 1; j >= 0 && ++at[j] === result.shape[j]; j--) at[j] = 0;
  }
  return result;
}

function softmax(x, axes) {
  const sides = [axes].flat().map((axis) => split(x.shape, axis));
  // The place of the first of the numbers that add up to 1 with the number at place k.
  const first = (k) => sides.reduce((at, [, length, inner]) => at - (Math.floor(k / inner) % length) * inner, k);
  const most = new Float32Array(x.data.length).fill(-Infinity);
  const total = new Float32Array(x.data.length);
  x.data.forEach((value, k) => (most[first(k)] = Math.max(most[first(k)], value)));
  const powers = mapped(x, (value, k) => Math.exp(value - most[first(k)]));
  powers.data.forEach((value, k) => (total[first(k)] += value));
  return mapped(powers, (value, k) => value / total[first(k)]);
}

// How many windows fit along a side, and how far the first one starts before it, as TensorFlow counts.
function windows(length, kernel, stride, dilation, padding) {
  const reach = (kernel - 1) * dilation + 1;
  if (padding?.toLowerCase() !== "same") return { count: Math.floor((length - reach) / stride) + 1, before: 0 };
  const count = Math.ceil(length / stride);
  return { count, before: Math.floor(Math.max((count - 1) * stride + reach - length, 0) / 2) };
}

function convolved(x, settings, layer, matrices) {
  const [height, width, channels] = x.shape;
  const [kernelHeight, kernelWidth, depth, filters] = layer.weights[0].shape;
  const [strideY, strideX] = pair(settings.strides ?? 1);
  const [dilationY, dilationX] = pair(settings.dilation_rate ?? 1);
  const rows = windows(height, kernelHeight, strideY, dilationY, settings.padding);
  const columns = windows(width, kernelWidth, strideX, dilationX, settings.padding);
  const result = tensor([rows.count, columns.count, filters]);

  const gather = (group) => (position, numbers, to) => {
    const top = Math.floor(position / columns.count) * strideY - rows.before;
    const left = (position % columns.count) * strideX - columns.before;
    for (let ky = 0; ky < kernelHeight; ky++) {
      for (let kx = 0; kx < kernelWidth; kx++) {
        const y = top + ky * dilationY;
        const column = left + kx * dilationX;
        const outside = y < 0 || y >= height || column < 0 || column >= width;
        const from = (y * width + column) * channels + group * depth;
        for (let k = 0; k < depth; k++, to += 4) numbers[to] = outside ? 0 : x.data[from + k];
      }
    }
  };

  const each = filters / layer.groups.length;
  layer.groups.forEach((matrix, group) => {
    matrices.rows(rows.count * columns.count, matrix, gather(group), (position, products, from) => {
      const to = position * filters + group * each;
      for (let k = 0; k < each; k++) result.data[to + k] = products[from + k];
    });
  });
  return result;
}

// A transposed convolution: every pixel is multiplied by the whole kernel, and results are added where they overlap.
function convolvedBack(x, settings, layer, matrices) {
  const [height, width] = x.shape;
  const [kernelHeight, kernelWidth, filters] = layer.weights[0].shape;
  const [strideY, strideX] = pair(settings.strides ?? 1);
  const [dilationY, dilationX] = pair(settings.dilation_rate ?? 1);
  const [extraY, extraX] = pair(settings.output_padding ?? null);
  const rows = backwards(height, kernelHeight, strideY, dilationY, settings.padding, extraY);
  const columns = backwards(width, kernelWidth, strideX, dilationX, settings.padding, extraX);
  const result = tensor([rows.length, columns.length, filters]);

  function scatter(position, products, from) {
    const top = Math.floor(position / width) * strideY - rows.before;
    const left = (position % width) * strideX - columns.before;
    for (let ky = 0; ky < kernelHeight; ky++) {
      for (let kx = 0; kx < kernelWidth; kx++, from += filters) {
        const y = top + ky * dilationY;
        const column = left + kx * dilationX;
        if (y < 0 || y >= rows.length || column < 0 || column >= columns.length) continue;
        const to = (y * columns.length + column) * filters;
        for (let k = 0; k < filters; k++) result.data[to + k] += products[from + k];
      }
    }
  }

  matrices.rows(height * width, layer.matrix, rowOf(x), scatter);
  return result;
}

// Writes a row of numbers of a tensor, all that share their other places, for `Matrices.rows`.
function rowOf({ shape, data }) {
  const length = shape.at(-1);
  return (row, numbers, to) => {
    for (let k = row * length; k < (row + 1) * length; k++, to += 4) numbers[to] = data[k];
  };
}

// The length of a side after a transposed convolution, and how much is cut off before it.
function backwards(length, kernel, stride, dilation, padding, extra) {
  const reach = (kernel - 1) * dilation + 1;
  const same = padding?.toLowerCase() === "same";
  const longer =
    extra === null
      ? length * stride + (same ? 0 : Math.max(reach - stride, 0))
      : (length - 1) * stride + reach + extra - (same ? 2 * Math.floor(reach / 2) : 0);
  const cut = same ? Math.max((Math.ceil(longer / stride) - 1) * stride + reach - longer, 0) : 0;
  return { length: longer, before: Math.floor(cut / 2) };
}

function biased(x, layer) {
  const bias = layer.weights[1]?.data;
  if (!bias) return x;
  for (let k = 0; k < x.data.length; k += bias.length) {
    for (let j = 0; j < bias.length; j++) x.data[k + j] += bias[j];
  }
  return x;
}

function pooled(x, settings, collect, start, finish) {
  const [height, width, channels] = x.shape;
  const [poolHeight, poolWidth] = pair(settings.pool_size ?? 2);
  const [strideY, strideX] = pair(settings.strides ?? [poolHeight, poolWidth]);
  const rows = windows(height, poolHeight, strideY, 1, settings.padding);
  const columns = windows(width, poolWidth, strideX, 1, settings.padding);
  const result = tensor([rows.count, columns.count, channels]);
  for (let k = 0; k < result.data.length; k++) {
    const position = Math.floor(k / channels);
    const top = Math.floor(position / columns.count) * strideY - rows.before;
    const left = (position % columns.count) * strideX - columns.before;
    const bottom = Math.min(top + poolHeight, height);
    const right = Math.min(left + poolWidth, width);
    let value = start;
    for (let y = Math.max(top, 0); y < bottom; y++) {
      for (let column = Math.max(left, 0); column < right; column++) {
        value = collect(value, x.data[(y * width + column) * channels + (k % channels)]);
      }
    }
    result.data[k] = finish(value, (bottom - Math.max(top, 0)) * (right - Math.max(left, 0)));
  }
  return result;
}

function overall({ shape: [height, width, channels], data }, keepdims, collect, start) {
  const result = tensor(keepdims ? [1, 1, channels] : [channels]);
  result.data.fill(start);
  data.forEach((value, k) => {
    result.data[k % channels] = collect(result.data[k % channels], value, height * width);
  });
  return result;
}

// The numbers of rows and columns at the top, bottom, left and right that Keras writes as one number, two or four.
const sides = (value) => pair(value).flatMap(pair);

// Adds rows and columns of zeros at the sides, or takes some away.
function reframed({ shape: [height, width, channels], data }, [top, bottom, left, right]) {
  const result = tensor([top + height + bottom, left + width + right, channels]);
  const from = Math.max(-left, 0);
  const length = (Math.min(width, width + right) - from) * channels;
  for (let row = Math.max(-top, 0); row < Math.min(height, height + bottom); row++) {
    const start = (row * width + from) * channels;
    const to = ((row + top) * result.shape[1] + from + left) * channels;
    result.data.set(data.subarray(start, start + length), to);
  }
  return result;
}

const FILTERS = {
  nearest: { reach: 0.5, weight: () => 1 },
  bilinear: { reach: 1, weight: (x) => 1 - Math.abs(x) },
  bicubic: { reach: 2, weight: keys },
  lanczos3: { reach: 3, weight: (x) => sinc(x) * sinc(x / 3) },
  lanczos5: { reach: 5, weight: (x) => sinc(x) * sinc(x / 5) },
};

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

// The cubic of Keys 1981 with a = −1/2.
function keys(x) {
  const far = Math.abs(x);
  return far < 1 ? (1.5 * far - 2.5) * far * far + 1 : ((-0.5 * far + 2.5) * far - 4) * far + 2;
}

function enlarged(x, [down, across], name) {
  const {
    shape: [height, width, channels],
    data,
  } = x;
  const rows = taps(height, down, FILTERS[name]);
  const columns = taps(width, across, FILTERS[name]);
  const result = tensor([height * down, width * across, channels]);
  let to = 0;
  for (const vertical of rows) {
    for (const horizontal of columns) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (const [row, high] of vertical) {
          for (const [column, wide] of horizontal)
            sum += high * wide * data[(row * width + column) * channels + channel];
        }
        result.data[to++] = sum;
      }
    }
  }
  return result;
}

// For each pixel of an enlarged side, the pixels that it is mixed from with their weights, which add up to 1.
function taps(length, factor, { reach, weight }) {
  return Array.from({ length: length * factor }, (_, k) => {
    const centre = (k + 0.5) / factor - 0.5;
    const found = [];
    for (let at = Math.ceil(centre - reach); at < centre + reach; at++) {
      if (at >= 0 && at < length) found.push([at, weight(centre - at)]);
    }
    const total = found.reduce((sum, [, part]) => sum + part, 0);
    return found.map(([at, part]) => [at, part / total]);
  });
}
