"""Nets small enough to train in a test, data to train them on, and train_gan.py run on both."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

import train_gan
from facegan.common import cli
from facegan.training import logs, presets

TINY = dataclasses.replace(
    presets.PRESETS["cifar32"],
    about="for tests",
    update="concatenated",
    shared_latents=True,
    image_shape=(16, 16, 3),
    latent_dim=8,
    stem=8,
    upsampling_blocks=((8, 4), (8, 4)),
    d_stem=(4, 3),
    downsampling_blocks=((8, 3), (8, 3)),
    batch_size=8,
    epochs=3,
    save_every=1,
    plot_side=2,
    saved="average",
)
TINY_BATCH_NORM = dataclasses.replace(
    TINY, batch_norm=True, d_batch_norm=True, bias=False, dropout=0.3, update="summed"
)
TINY_HALVES = dataclasses.replace(TINY, update="alternating", shared_latents=False, ema_decay=0.9, saved="trained")
TINY_RELATIVISTIC = dataclasses.replace(
    TINY,
    loss="relativistic",
    r1=1.0,
    r2=1.0,
    penalty_images=2,
    mirror=True,
    d_dropout=0.0,
    modulation=3,
    d_hidden=4,
    blur=True,
    update_clip=2.0,
)
TINY_STEPS = dataclasses.replace(TINY, epochs=None, steps=20, save_every=10, latent_prior="uniform")
ROWS = {
    "tiny": TINY,
    "tiny_batch_norm": TINY_BATCH_NORM,
    "tiny_halves": TINY_HALVES,
    "tiny_relativistic": TINY_RELATIVISTIC,
    "tiny_steps": TINY_STEPS,
}


def blobs(count, shape=(16, 16, 3), seed=0):
    """Smooth coloured pictures, uint8 (count, height, width, channels)."""
    random = np.random.RandomState(seed)
    corners = random.uniform(0, 255, (count, 2, 2, shape[2]))
    down, right = (np.linspace(0, 1, side) for side in shape[:2])
    mix = np.einsum("ih,jw,nijc->nhwc", np.stack([1 - down, down]), np.stack([1 - right, right]), corners)
    return mix.astype(np.uint8)


def save_blobs(path, count=40, **kwargs):
    """Write such pictures as a data set; the path as text."""
    np.savez(path, blobs(count, **kwargs))
    return str(path)


def train(monkeypatch, *arguments):
    """Run train_gan.py in this process with the rows above added; its exit code.

    Keras numbers the layers from the start, as in a process of its own: TensorFlow orders some sums by the layers'
    names, so that conv2d_9 and conv2d_10 in place of conv2d and conv2d_1 can change a last bit. The run's losses.png is
    blank: to draw it would take a quarter of the time, and tests/training/test_logs.py does it.
    """
    import keras

    monkeypatch.setattr(logs, "draw_losses", lambda table, path: Image.new("L", (1, 1)).save(path))
    for name, row in ROWS.items():
        monkeypatch.setitem(presets.PRESETS, name, row)
    monkeypatch.setattr(sys, "argv", ["train_gan.py", *map(str, arguments)])
    keras.utils.clear_session(free_memory=False)
    try:
        cli.run(train_gan.main)
    except SystemExit as stop:
        return stop.code


if __name__ == "__main__":
    presets.PRESETS.update(ROWS)
    cli.run(train_gan.main)
