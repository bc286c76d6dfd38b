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

// Whole numbers of two or four bytes each, the lowest byte first, as in .npy and .zip; PNG has the highest one first.
const two = (...values) => joined(values.map((value) => new Uint8Array(Uint16Array.of(value).buffer)));
const four = (...values) => joined(values.map((value) => new Uint8Array(Uint32Array.of(value).buffer)));

// A PNG with texts in it, from the bytes of one and an object of strings. They follow its first chunk, the header.
function withTexts(png, texts) {
  const headerEnd = 33;
  const chunks = Object.entries(texts).map(([name, text]) => {
    const content = joined([encoded("iTXt" + name), Uint8Array.of(0, 0, 0, 0, 0), encoded(text)]);
    return joined([four(content.length - 4).reverse(), content, four(crc32(content)).reverse()]);
  });
  return joined([png.subarray(0, headerEnd), ...chunks, png.subarray(headerEnd)]);
}

// The .npz of an array arr_0 of latents (n, latent_dim) float32: an archive of one stored member.
function npzOf(latents) {
  const shape = `(${latents.length}, ${latents[0].length})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11) + "\n";
  const rows = latents.map((row) => new Uint8Array(Float32Array.from(row).buffer));
  const magic = Uint8Array.of(0x93, ...encoded("NUMPY"), 1, 0);
  const member = joined([magic, two(padded.length), encoded(padded), ...rows]);
  const name = encoded("arr_0.npy");
  const date1980 = 33;
  const sizes = four(crc32(member), member.length, member.length);
  const common = joined([two(20, 0, 0, 0, date1980), sizes, two(name.length, 0)]);
  const local = joined([four(0x04034b50), common, name, member]);
  const directory = joined([four(0x02014b50), two(20), common, two(0, 0, 0), four(0, 0), name]);
  const end = joined([four(0x06054b50), two(0, 0, 1, 1), four(directory.length, local.length), two(0)]);
  return joined([local, directory, end]);
}

function download(bytes, name, type) {
  const link = element("a", { href: URL.createObjectURL(new Blob([bytes], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
