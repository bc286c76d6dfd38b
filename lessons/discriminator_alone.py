"""Train a discriminator alone, on real images against noise: the tutorials' first test.

    python lessons/discriminator_alone.py cifar10
    python lessons/discriminator_alone.py mnist --batches 50

Prints D's accuracy on each batch of real images and of noise, measured before that
batch changes its weights. Noise is so easy to recognise that D soon makes no mistake.
It would learn as little from a generator that stays bad as G would learn from a D that
is always right: a GAN works while both are about equally good.
Copy with it: facegan/common and facegan/training.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan.common import cli, datasets, images
from facegan.training import presets

import numpy as np


def main():
    options = parse_arguments()
    cli.import_keras()
    with cli.naming("DATA"):
        pixels = datasets.load_or_patches(options.data)
        presets.count_downsamplings(*pixels.shape[1:3])
    preset = presets.PRESETS["mnist28" if pixels.shape[-1] == 1 else "cifar32"]
    discriminator = build(preset, pixels.shape[1:], options.seed)
    train(discriminator, pixels, preset, batches=options.batches, seed=options.seed)


def parse_arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("data", metavar="DATA", help="mnist, cifar10, or a .npz of images")
    parser.add_argument("--batches", type=cli.integer(1), default=20, metavar="N", help="how many to train on")
    parser.add_argument("--seed", type=cli.integer(0, 2**31), default=1, metavar="N", help="random seed")
    return parser.parse_args()


def build(preset, image_shape, seed):
    """The tutorial's discriminator for these images, compiled."""
    from facegan.training import networks

    import keras

    keras.utils.set_random_seed(seed)
    discriminator = networks.build_discriminator(preset, image_shape)
    discriminator.compile(
        optimizer=keras.optimizers.Adam(preset.learning_rate, beta_1=preset.beta_1),
        # This D ends in a logit, not in a probability: a logit above 0 is a probability above a half.
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
        jit_compile=False,  # XLA halves the speed on a CPU
    )
    return discriminator


def train(discriminator, pixels, preset, *, batches, seed):
    """Train on half a batch of real images (label 1), then on half a batch of noise (label 0)."""
    random = np.random.default_rng(seed)
    half = preset.batch_size // 2
    darkest = -1.0 if preset.output == "tanh" else 0.0
    for batch in range(1, batches + 1):
        real = images.to_images(pixels[random.integers(len(pixels), size=half)], preset.output)
        noise = random.uniform(darkest, 1.0, real.shape).astype(np.float32)
        _, on_real = discriminator.train_on_batch(real, np.ones((half, 1)))
        _, on_noise = discriminator.train_on_batch(noise, np.zeros((half, 1)))
        print(f"batch {batch}: accuracy on real images {on_real:.0%}, on noise {on_noise:.0%}")


if __name__ == "__main__":
    cli.run(main)
