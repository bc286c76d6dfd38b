// The worker: it gets the network once, and then draws one latent after another.
"use strict";

let network;
let look; // of the images: `pixelRange`, the generator's last activation, and `inverted`

self.onmessage = ({ data }) => {
  if (data.network) {
    network = new Network(data.network, bytesOf(data.weights));
    look = data.network;
  } else {
    const image = network.compute(data.latent);
    const pixels = colours(image);
    self.postMessage({ pixels }, [pixels.buffer]);
  }
};

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes;
}

// The pixels 0..255 that Python makes of an image, with red, green, blue and alpha for each; as in the scripts'
// pictures, digits are inverted to dark on light.
function colours({ shape: [height, width, channels], data }) {
  const [low, scale] = look.pixelRange === "tanh" ? [-1, 127.5] : [0, 255];
  const level = (value) => (value - low) * scale;
  const pixels = new Uint8ClampedArray(4 * height * width).fill(255); // clamps, rounds, and takes NaN for 0
  for (let k = 0; k < height * width; k++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[4 * k + channel] = level(data[k * channels + (channels === 1 ? 0 : channel)]);
      if (look.inverted) pixels[4 * k + channel] = 255 - pixels[4 * k + channel];
    }
  }
  return pixels;
}
