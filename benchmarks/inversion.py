"""How closely photographs are met in the latent space: held-back faces of a run, against what needs no search.

    python benchmarks/inversion.py runs/faces80

Takes faces that the run's training never saw (train_gan.py --hold-out), searches for each, and prints the error, the
root mean square over all pixels in levels of 255, beside that of the closest of 10,000 random faces and of the mean of
the data. Writes nothing but the picture of --out, photos above their reconstructions.

Needs: facegan/commands.py, data.py, face_features.py, files.py, images.py, inversion.py, latents.py, model_files.py,
npz.py, old_files.py, runs.py
"""

import json
import sys
import time
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan import commands, data, files, images, inversion, runs

RANDOM_FACES = 10_000
SHOWN = 10


def main():
    options = parse_arguments()
    config, pixels = held_back(Path(options.run), options.count)
    generator = runs.load_generator(options.run)
    generator.draw(numpy.zeros((1, generator.latent_dim)))  # compiled before the clock starts
    start = time.perf_counter()
    found, errors, _ = inversion.invert(generator, pixels)
    seconds = time.perf_counter() - start
    by_chance = inversion.closest_random(generator, pixels, RANDOM_FACES)[0].min(axis=1)
    every, _ = data.load_images(config["data"])
    mean = every[:: max(1, len(every) // 5_000)].mean(axis=0)
    from_mean = inversion.root_mean_square(numpy.broadcast_to(mean, pixels.shape), pixels)
    print(f"{len(pixels)} held-back faces, {generator.path}, {seconds / len(pixels):.1f} s a photo, found together")
    print("| error, levels of 255 | mean | 10% | median | 90% |\n|---|---|---|---|---|")
    for name, values in (
        ("search", errors),
        (f"closest of {RANDOM_FACES:,} random faces", by_chance),
        ("mean of the data", from_mean),
    ):
        low, middle, high = numpy.percentile(values, (10, 50, 90))
        print(f"| {name} | {values.mean():.1f} | {low:.1f} | {middle:.1f} | {high:.1f} |")
    if options.out:
        count = min(SHOWN, len(pixels))
        pairs = numpy.concatenate([pixels[:count], generator.draw(found[:count])])
        with files.whole_path(options.out) as temporary:
            images.grid(images.shown(pairs, generator.pixel_range), count).save(temporary, format="PNG")


def parse_arguments():
    parser = commands.parser(__doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder that kept rows back")
    parser.add_argument("--count", type=commands.integer(1), default=50, metavar="N", help="faces tried (default 50)")
    parser.add_argument("--out", metavar="PNG", help="photos and their reconstructions")
    options = parser.parse_args()
    if options.out:
        files.writable_path(options.out, "--out", (".png",))
    return options


def held_back(run, count):
    """The run's settings, and the first `count` of its held-back images in a random order."""
    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise commands.UserError(f"RUN {run}: is no run folder ({error.strerror})") from None
    rows = config.get("held_out_rows") or []
    if not rows:
        raise commands.UserError(f"RUN {run}: kept no faces back; train with --hold-out")
    chosen = numpy.random.RandomState(0).permutation(rows)[:count]
    pixels, _ = data.load_images(config["data"])
    return config, numpy.ascontiguousarray(pixels[numpy.sort(chosen)])


if __name__ == "__main__":
    commands.run(main)
