"""Show that the tutorials' composite model no longer trains the discriminator, and what does.

    python lessons/composite_model_trap.py cifar10

Trains twice for a few steps. First as the tutorials do: compile D, freeze it, stack it on
top of G, and go on calling train_on_batch on D. Under Keras 3, D keeps its weights to the
last bit, and the losses still look plausible. Then with a frozen copy of D on top of G:
both networks learn. train_gan.py needs neither: in its step, facegan/training/gan.py,
each network has its own optimizer and nothing is frozen.
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
    for title, way in (("The tutorials' way: D itself, frozen after it was compiled", trap), ("A frozen copy", mended)):
        print(f"\n{title}")
        train(preset, pixels, way, options.steps)


def parse_arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("data", metavar="DATA", help="mnist, cifar10, or a .npz of images")
    parser.add_argument("--steps", type=cli.integer(1), default=6, metavar="N", help="training steps")
    return parser.parse_args()


def trap(generator, discriminator):
    """G with D itself on top; returns this model and a function that does nothing."""
    import keras

    discriminator.trainable = False  # Keras 2 had fixed at compile time what D trains; Keras 3 asks when it trains
    return keras.Sequential([generator, discriminator]), lambda: None


def mended(generator, discriminator):
    """G with a frozen copy of D on top; returns this model and a function that brings the copy up to date."""
    import keras

    judge = keras.models.clone_model(discriminator)
    judge.trainable = False
    return keras.Sequential([generator, judge]), lambda: judge.set_weights(discriminator.get_weights())


def train(preset, pixels, way, steps):
    """Train new networks, the composite model built by `way`, and print by how much their weights moved."""
    from facegan.training import networks

    import keras

    keras.utils.set_random_seed(1)
    random, half = np.random.default_rng(1), preset.batch_size // 2
    generator = networks.build_generator(preset, pixels.shape[1:])
    discriminator = networks.build_discriminator(preset, pixels.shape[1:])
    before = generator.get_weights(), discriminator.get_weights()
    compile_model(discriminator, preset)
    composite, update_copy = way(generator, discriminator)
    compile_model(composite, preset)
    for step in range(1, steps + 1):
        real = images.to_images(pixels[random.integers(len(pixels), size=half)], preset.output)
        generated = generator.predict_on_batch(random.normal(size=(half, preset.latent_dim)))
        on_real = discriminator.train_on_batch(real, np.ones((half, 1)))
        on_generated = discriminator.train_on_batch(generated, np.zeros((half, 1)))
        update_copy()
        points = random.normal(size=(preset.batch_size, preset.latent_dim))
        g_loss = composite.train_on_batch(points, np.ones((preset.batch_size, 1)))
        print(f"step {step}: d_real={on_real:.3f} d_generated={on_generated:.3f} g={g_loss:.3f}")
    for name, network, old in zip(("G", "D"), (generator, discriminator), before, strict=True):
        moved = max(float(np.abs(a - b).max()) for a, b in zip(network.get_weights(), old, strict=True))
        print(f"{name}'s weights moved by at most {moved:.6f}" + ("" if moved else ": it has learnt NOTHING"))


def compile_model(model, preset):
    import keras

    optimizer = keras.optimizers.Adam(preset.learning_rate, beta_1=preset.beta_1)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)


if __name__ == "__main__":
    cli.run(main)
