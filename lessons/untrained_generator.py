"""Draw what a generator draws before it has learnt anything.

    python lessons/untrained_generator.py --preset cifar32 --out untrained.png
    python lessons/untrained_generator.py --preset mnist28 --out untrained.png

The picture, 7x7 images or 10x10 grey ones as in the tutorials, shows that the network is
built correctly: images of the right size, every one different, in grey noise about the
middle of the range. It is where training starts, and D finds it easy to reject.
Copy with it: facegan/common and facegan/training.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan.common import cli, files, images, latents
from facegan.training import presets


def main():
    options = parse_arguments()
    with cli.naming("--out"):
        files.writable_path(options.out, (".png",))
    cli.import_keras()
    preset = presets.PRESETS[options.preset]
    columns = preset.plot_side
    drawn = draw(preset, columns**2, options.seed)
    print(f"images {drawn.shape}, values from {drawn.min():.3f} to {drawn.max():.3f}, mean {drawn.mean():.3f}")
    pixels = images.as_shown(images.to_pixels(drawn, preset.output), preset.inverted)
    with files.atomic_write(options.out) as file:
        images.grid(pixels, columns).save(file, "PNG")


def parse_arguments():
    parser = cli.parser(__doc__)
    add, names = parser.add_argument, ", ".join(presets.PRESETS)
    add("--preset", choices=presets.PRESETS, default="cifar32", metavar="NAME", help=names)
    add("--out", required=True, type=Path, metavar="PNG", help="the picture")
    add("--seed", type=cli.integer(0, 2**31), default=1, metavar="N", help="random seed of the weights")
    return parser.parse_args()


def draw(preset, count, seed):
    """Images (count, height, width, channels) of a new generator, from faces 1, 2, … as in every other script."""
    from facegan.training import networks

    import keras

    keras.utils.set_random_seed(seed)
    generator = networks.build_generator(preset, preset.image_shape)
    points = latents.latents_of_faces(range(1, count + 1), preset.latent_dim, preset.latent_prior)
    return generator.predict(points, verbose=0)


if __name__ == "__main__":
    cli.run(main)
