// The arithmetic of the latent space, as in facegan/common/latents.py: float64 inside, float32 between.
"use strict";

const PARALLEL = 1e-6; // sine of the angle below which two latents span no plane

const given = new Map(); // latents that the page brings: of photographs and of rows of a file
{
  const numbers = new Float32Array(decoded(page.given.latents).buffer);
  page.given.faces.forEach((face, k) => {
    given.set(face, numbers.subarray(k * page.network.latentDim, (k + 1) * page.network.latentDim));
  });
}
const steps = new Map(); // of the directions, by name
for (const { name, step } of page.directions) steps.set(name, new Float32Array(decoded(step).buffer));

// Whether the page can draw a face that is written like this.
function exists(face) {
  return given.has(face) || (!page.fromFile && /^[1-9]\d*$/.test(face) && Number(face) <= LARGEST_FACE);
}

function latentOf(face, truncation) {
  const latent = given.get(face) ?? latentOfNumber(Number(face), page.network.latentDim, page.prior);
  return page.photographs.includes(face) ? latent : latent.map((value) => value * truncation);
}

function average(latents) {
  const sums = latents.reduce(
    (sum, latent) => sum.map((value, k) => value + latent[k]),
    new Array(latents[0].length).fill(0),
  );
  return Float32Array.from(sums, (sum) => sum / latents.length);
}

// The sum of [weight, latent] pairs.
function combine(terms) {
  return Float32Array.from(terms[0][1], (_, k) => terms.reduce((sum, [weight, latent]) => sum + weight * latent[k], 0));
}

const lerp = (start, end, fraction) => start.map((value, k) => value * (1 - fraction) + end[k] * fraction);

function slerp(start, end, fraction) {
  const angle = angleBetween(start, end);
  if (Math.sin(angle) < PARALLEL) return lerp(start, end, fraction);
  const [from, to] = [Math.sin((1 - fraction) * angle), Math.sin(fraction * angle)];
  return start.map((value, k) => (from * value + to * end[k]) / Math.sin(angle));
}

function angleBetween(start, end) {
  const [one, other] = [Math.hypot(...start), Math.hypot(...end)];
  if (!one || !other) return 0;
  const apart = (sign) => Math.hypot(...Array.from(start, (value, k) => value / one + (sign * end[k]) / other));
  return 2 * Math.atan2(apart(-1), apart(1));
}

const METHODS = { slerp, lerp };

// A point on the walk through latents: position 1.5 is half way from the second to the third.
function onWalk(stops, position, method) {
  const leg = Math.min(Math.floor(position), stops.length - 2);
  return METHODS[method](stops[leg], stops[leg + 1], position - leg);
}
