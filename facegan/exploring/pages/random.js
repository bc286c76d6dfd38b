// numpy's RandomState in JavaScript, so that face 12 has the same latent on the page as in every script: the Mersenne
// Twister of Matsumoto and Nishimura 1998, and normal numbers by Marsaglia's polar method.
"use strict";

const LARGEST_FACE = 2 ** 32 - 1;

class RandomState {
  constructor(seed) {
    this.key = new Uint32Array(624);
    this.key[0] = seed;
    for (let k = 1; k < 624; k++) {
      const before = this.key[k - 1] ^ (this.key[k - 1] >>> 30);
      this.key[k] = Math.imul(1812433253, before) + k;
    }
    this.place = 624;
    this.spare = null; // the polar method makes two numbers at a time
  }

  refill() {
    const key = this.key;
    for (let k = 0; k < 624; k++) {
      const mixed = (key[k] & 0x80000000) | (key[(k + 1) % 624] & 0x7fffffff);
      key[k] = key[(k + 397) % 624] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.place = 0;
  }

  integer() {
    if (this.place === 624) this.refill();
    let y = this.key[this.place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  // From 0 to less than 1, with 53 random bits.
  fraction() {
    const high = this.integer() >>> 5;
    const low = this.integer() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  normal() {
    if (this.spare !== null) {
      const kept = this.spare;
      this.spare = null;
      return kept;
    }
    let x, y, square;
    do {
      x = 2 * this.fraction() - 1;
      y = 2 * this.fraction() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.spare = factor * x;
    return factor * y;
  }
}

// The latent of a numbered face, as facegan/common/latents.py draws it.
function latentOfNumber(number, latentDim, prior) {
  const random = new RandomState(number);
  return Float32Array.from({ length: latentDim }, () =>
    prior === "uniform" ? -1 + 2 * random.fraction() : random.normal(),
  );
}
