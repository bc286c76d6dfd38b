"""How closely a generator reconstructs held-out faces, beside two baselines.

    python benchmarks/inversion.py runs/faces80

Takes faces that the training never saw (train_gan.py --hold-out), inverts the
generator for each, and prints the error, the root mean square over all pixels in
levels of 255, beside that of the closest of 10,000 random faces and of the mean of
the data. Writes only the picture of --out, photos above their reconstructions.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan.common import cli, datasets, files, generators, images
from facegan.exploring import inversion

import numpy as np

RANDOM_FACES = 10_000
SHOWN = 10


def main():
    options = parse_arguments()
    with cli.naming("RUN"):
        data, rows = held_out(Path(options.run), options.count)
        every, _ = datasets.load_images(data)
        generator = generators.load_generator(options.run)
    pixels = np.ascontiguousarray(every[rows])
    generator.in_keras().draw(np.zeros((1, generator.latent_dim)))  # imported and compiled before the clock starts
    start = time.perf_counter()
    points, errors, _ = inversion.invert(generator, pixels)
    seconds = time.perf_counter() - start
    print(f"{len(pixels)} held-out faces, {generator.path}, {seconds / len(pixels):.1f} s a face, all at once")
    mean = every[:: max(1, len(every) // 5_000)].mean(axis=0)
    random_errors, _, _ = inversion.errors_of_random_faces(generator, pixels, RANDOM_FACES)
    print("| error, levels of 255 | mean | 10% | median | 90% |\n|---|---|---|---|---|")
    print_row("inversion", errors)
    print_row(f"closest of {RANDOM_FACES:,} random faces", random_errors.min(axis=1))
    print_row("mean of the data", inversion.root_mean_square(np.broadcast_to(mean, pixels.shape), pixels))
    if options.out:
        count = min(SHOWN, len(pixels))
        pairs = np.concatenate([pixels[:count], generator.draw(points[:count])])
        with files.atomic_path(options.out) as temporary:
            images.grid(images.as_shown(pairs, generator.inverted), count).save(temporary, format="PNG")


def parse_arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder of a training with --hold-out")
    parser.add_argument("--count", type=cli.integer(1), default=50, metavar="N", help="number of faces")
    parser.add_argument("--out", metavar="PNG", help="picture of photos and their reconstructions")
    options = parser.parse_args()
    if options.out:
        with cli.naming("--out"):
            files.writable_path(options.out, (".png",))
    return options


def held_out(run, count):
    """The run's data set and `count` random rows of it that the training held out, in order."""
    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{run}: is not a run folder ({error.strerror})") from None
    rows = config.get("held_out_rows") or []
    if not rows:
        raise ValueError(f"{run}: held no faces out; train with --hold-out")
    return config["data"], np.sort(np.random.RandomState(0).permutation(rows)[:count])


def print_row(name, values):
    low, middle, high = np.percentile(values, (10, 50, 90))
    print(f"| {name} | {values.mean():.1f} | {low:.1f} | {middle:.1f} | {high:.1f} |")


if __name__ == "__main__":
    cli.run(main)
