// Products of matrices, which take most of the time of a drawing: in WebAssembly's vectors of four numbers where the
// browser has them, and otherwise in plain JavaScript, which makes a face take about four times as long.
//
// Both read a left matrix in strips of four rows and a right one in strips of four columns, so that every number that
// is loaded is used four times. A strip holds the four numbers at 0, then the four at 1, and so on along the shared
// side.
"use strict";

const BLOCK_ROWS = 32; // rows of the left matrix at a time: they and their products stay in the processor's cache
const PAGE = 65536; // WebAssembly's unit of memory, in bytes

const roundUp = (count, unit = 4) => Math.ceil(count / unit) * unit;

class Matrices {
  constructor() {
    this.used = 0; // numbers taken in the memory
    this.longest = this.widest = 0;
    this.memory = new WebAssembly.Memory({ initial: 0 });
    this.multiply = vectorProduct(this.memory) ?? ((...places) => plainProduct(this.numbers, ...places));
  }

  // Keeps a right matrix: `at(row, column)` gives its numbers.
  keep(rows, columns, at) {
    const matrix = { start: this.take(rows * roundUp(columns)), rows, columns, width: roundUp(columns) };
    for (let column = 0; column < columns; column++) {
      const strip = matrix.start + (column - (column % 4)) * rows + (column % 4);
      for (let row = 0; row < rows; row++) this.numbers[strip + 4 * row] = at(row, column);
    }
    this.longest = Math.max(this.longest, rows);
    this.widest = Math.max(this.widest, matrix.width);
    return matrix;
  }

  take(count) {
    const start = this.used;
    this.used += count;
    const pages = Math.ceil((4 * this.used - this.memory.buffer.byteLength) / PAGE);
    if (pages > 0) this.memory.grow(pages);
    this.numbers = new Float32Array(this.memory.buffer);
    return start;
  }

  // Multiplies `count` rows by a matrix that was kept. `write(row, numbers, to)` writes a row, each number four places
  // after the last; `read(row, numbers, from)` finds the products of a row beside one another.
  rows(count, matrix, write, read) {
    this.left ??= this.take(BLOCK_ROWS * this.longest);
    this.products ??= this.take(BLOCK_ROWS * this.widest);
    const { numbers } = this;
    for (let from = 0; from < count; from += BLOCK_ROWS) {
      const rows = Math.min(BLOCK_ROWS, count - from);
      for (let row = 0; row < rows; row++) {
        write(from + row, numbers, this.left + (row - (row % 4)) * matrix.rows + (row % 4));
      }
      const end = this.left + roundUp(rows) * matrix.rows;
      for (let column = 0; column < matrix.width; column += 4) {
        const strip = matrix.start + column * matrix.rows;
        this.multiply(this.left, end, strip, strip + 4 * matrix.rows, this.products + column, matrix.width);
      }
      for (let row = 0; row < rows; row++) read(from + row, numbers, this.products + row * matrix.width);
    }
  }
}

// Multiplies the strips of the left matrix from `left` to `end` by the one strip of the right matrix from `start` to
// `stop`. The products of the first row go to `out`, and those of the next rows `width` further on each.
function plainProduct(numbers, left, end, start, stop, out, width) {
  while (left < end) {
    let c00 = 0, c01 = 0, c02 = 0, c03 = 0, c10 = 0, c11 = 0, c12 = 0, c13 = 0;
    let c20 = 0, c21 = 0, c22 = 0, c23 = 0, c30 = 0, c31 = 0, c32 = 0, c33 = 0;
    for (let k = start; k < stop; k += 4, left += 4) {
      const b0 = numbers[k], b1 = numbers[k + 1], b2 = numbers[k + 2], b3 = numbers[k + 3];
      const a0 = numbers[left], a1 = numbers[left + 1], a2 = numbers[left + 2], a3 = numbers[left + 3];
      c00 += a0 * b0; c01 += a0 * b1; c02 += a0 * b2; c03 += a0 * b3;
      c10 += a1 * b0; c11 += a1 * b1; c12 += a1 * b2; c13 += a1 * b3;
      c20 += a2 * b0; c21 += a2 * b1; c22 += a2 * b2; c23 += a2 * b3;
      c30 += a3 * b0; c31 += a3 * b1; c32 += a3 * b2; c33 += a3 * b3;
    }
    numbers.set([c00, c01, c02, c03], out);
    numbers.set([c10, c11, c12, c13], out + width);
    numbers.set([c20, c21, c22, c23], out + 2 * width);
    numbers.set([c30, c31, c32, c33], out + 3 * width);
    out += 4 * width;
  }
}

// The same as a function of WebAssembly on this memory, or null if the browser has no vectors.
function vectorProduct(memory) {
  try {
    const module = new WebAssembly.Module(new Uint8Array(vectorModule()));
    const { product } = new WebAssembly.Instance(module, { page: { memory } }).exports;
    return (left, end, start, stop, out, width) => product(4 * left, 4 * end, 4 * start, 4 * stop, 4 * out, 4 * width);
  } catch {
    return null;
  }
}

// The bytes of a module that imports page.memory and exports product(left, end, start, stop, out, width), in bytes.
function vectorModule() {
  const [left, end, start, stop, out, width, k, shared] = [0, 1, 2, 3, 4, 5, 6, 7];
  const sums = [8, 9, 10, 11];
  const get = (name) => [0x20, name];
  const set = (name) => [0x21, name];
  const vector = (...code) => [0xfd, ...code];
  const load = vector(0x00, 2, 0);
  const loadOneIntoAll = (byte) => vector(0x09, 2, byte);
  const store = vector(0x0b, 2, 0);
  const multiply = vector(0xe6, 0x01);
  const add = vector(0xe4, 0x01);
  const zero = vector(0x0c, ...Array(16).fill(0));
  const move = (name, by) => [...get(name), ...by, 0x6a, ...set(name)];
  const sixteen = [0x41, 16];
  const repeatWhile = (code, low, high) => [0x03, 0x40, ...code, ...get(low), ...get(high), 0x49, 0x0d, 0, 0x0b];

  const step = [
    ...get(k), ...load, ...set(shared),
    ...sums.flatMap((sum, row) => [
      ...get(left), ...loadOneIntoAll(4 * row), ...get(shared), ...multiply, ...get(sum), ...add, ...set(sum),
    ]),
    ...move(left, sixteen), ...move(k, sixteen),
  ];
  const strip = [
    ...get(start), ...set(k), ...sums.flatMap((sum) => [...zero, ...set(sum)]),
    ...repeatWhile(step, k, stop),
    ...sums.flatMap((sum) => [...get(out), ...get(sum), ...store, ...move(out, get(width))]),
  ];
  const body = [2, 1, 0x7f, 5, 0x7b, ...repeatWhile(strip, left, end), 0x0b]; // one local of 32 bits, five vectors

  const length = (count) => (count < 128 ? [count] : [(count & 127) | 128, count >> 7]);
  const sized = (bytes) => [...length(bytes.length), ...bytes];
  const name = (text) => sized([...text].map((letter) => letter.charCodeAt(0)));
  const section = (number, bytes) => [number, ...sized([1, ...bytes])]; // each section has one entry
  return [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [0x60, 6, ...Array(6).fill(0x7f), 0]), // the type of the function
    ...section(2, [...name("page"), ...name("memory"), 2, 0, 0]),
    ...section(3, [0]),
    ...section(7, [...name("product"), 0, 0]),
    ...section(10, sized(body)),
  ];
}
