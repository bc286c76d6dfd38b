// Files that the page saves: pictures that record how they were made, and latents that `--latents` reads.
"use strict";

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const encoded = (text) => new TextEncoder().encode(text);

// Numbers of a few bytes each, from pairs of [value, bytes].
function binary(numbers, littleEndian) {
  return joined(numbers.map(([value, count]) => {
    const bytes = Array.from({ length: count }, (_, k) => Math.floor(value / 256 ** k) & 255);
    return Uint8Array.from(littleEndian ? bytes : bytes.reverse());
  }));
}

// A PNG with texts in it, from the bytes of one and an object of strings. They follow its first chunk, the header.
function withTexts(png, texts) {
  const headerEnd = 33;
  const chunks = Object.entries(texts).map(([name, text]) => {
    const content = joined([encoded("iTXt" + name), Uint8Array.of(0, 0, 0, 0, 0), encoded(text)]);
    return joined([binary([[content.length - 4, 4]], false), content, binary([[crc32(content), 4]], false)]);
  });
  return joined([png.subarray(0, headerEnd), ...chunks, png.subarray(headerEnd)]);
}

// The .npz of an array arr_0 of latents (n, latent_dim) float32: an archive of one stored member.
function npzOf(latents) {
  const shape = `(${latents.length}, ${latents[0].length})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11) + "\n";
  const start = joined([Uint8Array.of(0x93), encoded("NUMPY"), Uint8Array.of(1, 0), binary([[padded.length, 2]], true)]);
  const member = joined([start, encoded(padded), ...latents.map((row) => new Uint8Array(Float32Array.from(row).buffer))]);
  const name = encoded("arr_0.npy");
  const first1980 = [[0, 2], [33, 2]];
  const common = [[20, 2], [0, 2], [0, 2], ...first1980, [crc32(member), 4], [member.length, 4], [member.length, 4],
    [name.length, 2], [0, 2]];
  const local = joined([binary([[0x04034b50, 4], ...common], true), name, member]);
  const directory = joined([
    binary([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [0, 4]], true), name,
  ]);
  const end = [[0x06054b50, 4], [0, 2], [0, 2], [1, 2], [1, 2], [directory.length, 4], [local.length, 4], [0, 2]];
  return joined([local, directory, binary(end, true)]);
}

function download(bytes, name, type) {
  const link = element("a", { href: URL.createObjectURL(new Blob([bytes], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
