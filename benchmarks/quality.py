"""Check the quality figures on real faces that are damaged on purpose: does more damage mean more distance?

    PYTHONPATH=. python benchmarks/quality.py data/faces80.npz

Prints four tables: the figures of faces damaged more and more; whether the
kernel distance's range covers repeated draws; how many images a stable ranking
needs; and what one measurement during training costs. Writes nothing. Takes
some minutes on two cores. The exit code is 1 if a distance does not rise with
the damage or the range fails.
"""

import itertools
import time

from facegan.common import cli, datasets
from facegan.common.cli import UserError
from facegan.metrics import distances, quality, report
from facegan.metrics.face_features import face_features, features_and_scores

import numpy as np
from PIL import Image, ImageFilter

REAL, DAMAGED = 4_000, 3_000
POOL = 10_000  # faces at most in each half that draws are repeated from
BLOCKS = 5  # a face is cut into 5x5 blocks where blocks change places
COUNTS = (250, 500, 1_000, 2_000, 3_000)
WIDTHS = (16, 26, 10, 12, 8, 10)  # of the columns of figures


def main():
    options = parse_arguments()
    cli.import_keras()
    with cli.naming("FACES"):
        pixels = datasets.load_images(options.data)[0]
    if len(pixels) < REAL + DAMAGED or not quality.are_faces(pixels):
        raise UserError(f"FACES {options.data}: must hold {REAL + DAMAGED:,} faces; prepare more with prepare_faces.py")
    rows = np.random.RandomState(0).permutation(len(pixels))
    reference = face_features(pixels[np.sort(rows[:REAL])])
    others = pixels[rows[REAL : REAL + DAMAGED]]

    print(f"{DAMAGED:,} faces of {'x'.join(map(str, pixels.shape[1:]))}, damaged, against {REAL:,} others\n")
    steady = damage_table(others, reference)
    damaged, real = pools(pixels)
    covered = range_table(damaged, real, options.draws)
    rank_table(damaged, real, options.draws)
    cost_table(pixels[rows[: REAL + DAMAGED]])
    return 0 if steady and covered else 1


def parse_arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("data", metavar="FACES", help="a .npz of 7,000 faces or more")
    parser.add_argument("--draws", type=cli.integer(5), default=40, metavar="N", help="draws for ranges and ranks")
    return parser.parse_args()


def shrunk(pixels, side):
    """Shrink to `side` of 80 pixels and enlarge again."""
    height, width = pixels.shape[1:3]
    smaller = (round(width * side / 80), round(height * side / 80))

    def there_and_back(image):
        return image.resize(smaller, Image.Resampling.BICUBIC).resize((width, height), Image.Resampling.BICUBIC)

    return each(pixels, there_and_back)


def blurred(pixels, radius):
    scaled = radius * pixels.shape[2] / 80
    return each(pixels, lambda image: image.filter(ImageFilter.GaussianBlur(scaled)))


def noisy(pixels, sigma):
    noise = np.random.default_rng(1).standard_normal(pixels.shape, np.float32)
    return np.clip(pixels + sigma * noise, 0, 255).astype(np.uint8)


def repeated(pixels, count):
    return pixels[np.arange(len(pixels)) % count]


def shuffled(pixels, moved):
    """Move `moved` of the 25 blocks of each face to one another's places."""
    random = np.random.RandomState(1)
    height, width = (side // BLOCKS for side in pixels.shape[1:3])
    result = pixels.copy()
    for before, after in zip(pixels, result, strict=True):
        places = random.permutation(BLOCKS * BLOCKS)[:moved]
        for target, source in zip(places, np.roll(places, 1), strict=True):
            (y, x), (from_y, from_x) = divmod(target, BLOCKS), divmod(source, BLOCKS)
            block = before[from_y * height : (from_y + 1) * height, from_x * width : (from_x + 1) * width]
            after[y * height : (y + 1) * height, x * width : (x + 1) * width] = block
    return result


def one_kind(pixels, percent):
    """Replace a percentage of the faces by faces darker than the median: part of what is real is never drawn."""
    brightness = pixels.mean((1, 2, 3))
    dark = np.flatnonzero(brightness < np.median(brightness))
    rows = np.arange(len(pixels))
    replaced = np.random.RandomState(1).permutation(len(pixels))[: len(pixels) * percent // 100]
    rows[replaced] = np.resize(dark, len(replaced))
    return pixels[rows]


def checkered(pixels, strength):
    """Add a checkerboard of single pixels, lighter and darker by `strength`: texture that 48 pixels cannot show."""
    board = np.indices(pixels.shape[1:3]).sum(0) % 2 * 2 - 1
    return np.clip(pixels + strength * board[..., None], 0, 255).astype(np.uint8)


def each(pixels, change):
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in pixels])


# Name, function, strengths from weak to strong, and whether the distance must rise with them.
DAMAGES = (
    ("shrunk to {} of 80 pixels and back", shrunk, (48, 40, 32, 24, 16), True),
    ("blurred by a radius of {}", blurred, (0.5, 0.75, 1.0, 1.5, 2.5, 4.0), True),
    ("noise of sigma {}", noisy, (10, 20, 40, 60), True),
    ("{} faces repeated", repeated, (1000, 300, 100, 30, 10), True),
    ("{} of 25 blocks change places", shuffled, (2, 4, 8, 16, 25), True),
    ("{}% replaced by dark faces", one_kind, (25, 50, 100), True),
    ("checkerboard of ±{} (blind to it)", checkered, (4, 8, 16), False),
    ("noise of sigma {} (blind to it)", noisy, (5,), False),
)


def damage_table(others, reference):
    """Print the figures of every damage; returns whether all distances that must rise with it do."""

    def show(name, *texts):
        texts = (text.rjust(width) for text, width in zip(texts, WIDTHS, strict=True))
        print("  ".join([name.ljust(38), *texts]), flush=True)

    def measure(name, pixels):
        features, scores = features_and_scores(pixels)
        figures = quality.compare(features, scores, reference)
        show(name, *report.cells(figures), f"{scores.mean():.3f}")
        return figures.frechet_distance

    show("", *quality.LABELS.values(), "mean score")
    steady = True
    floor = measure("real faces: the floor", others)
    for name, damage, strengths, must_rise in DAMAGES:
        found = [floor, *(measure(name.format(s), damage(others, s)) for s in strengths)]
        if must_rise and not all(np.diff(found) > 0):
            print(f"  does not rise steadily: {name}")
            steady = False
    noise = np.random.RandomState(1).randint(0, 256, others.shape).astype(np.uint8)
    measure("nothing but noise", noise)
    print(f"\nevery distance rises with the damage: {'yes' if steady else 'NO'}")
    return steady


LADDER = (0.5, 0.75, 1.0, 1.5, 1.6)  # radii of blurs to be ranked


def pools(pixels):
    """Features for repeated draws: {name: (n, 256)} of one half of the data, damaged, and those of the other half."""
    rows = np.random.RandomState(2).permutation(len(pixels))[: 2 * POOL]
    half, other = pixels[rows[::2]], pixels[rows[1::2]]
    damaged = {
        "real": face_features(half),
        "32 of 80 pixels": face_features(shrunk(half, 32)),
        "noise of sigma 20": face_features(noisy(half, 20)),
    }
    damaged |= {f"blur {radius}": face_features(blurred(half, radius)) for radius in LADDER}
    return damaged, face_features(other)


def range_table(damaged, reference, draws, count=1_000):
    """Print how often one draw's range contains another's estimate; returns whether it does in 90% of draws."""
    print(f"\nkernel distance x 1000 in {draws} draws of {count:,} against {count:,}, from {len(reference):,} each:")
    print(f"{'':20}    mean  deviation  half of the range  covers other draws  covers the mean")
    random, good = np.random.RandomState(3), True
    for name in ("real", "32 of 80 pixels", "noise of sigma 20", "blur 1.0"):
        sets = ((some(damaged[name], count, random), some(reference, count, random)) for _ in range(draws))
        estimates, low, high = 1000 * np.array([distances.kernel_distance(*pair) for pair in sets]).T
        inside = (low[:, None] <= estimates) & (estimates <= high[:, None]) & ~np.eye(draws, dtype=bool)
        others = inside.sum() / (draws * (draws - 1))
        mean = ((low <= estimates.mean()) & (estimates.mean() <= high)).mean()
        half = (high - low).mean() / 2
        line = f"{estimates.mean():8.3f}  {estimates.std(ddof=1):9.3f}  {half:17.3f}  {others:18.0%}  {mean:15.0%}"
        print(f"{name:20}{line}", flush=True)
        good = good and others >= 0.9
    return good


def rank_table(damaged, reference, draws):
    """Print how the Fréchet distance scatters with the number of images, and how often it ranks blurs correctly."""
    steps = [f"{low} to {high}" for low, high in itertools.pairwise(LADDER)]
    print(f"\nFréchet distance by number of images on either side, {draws} draws from {len(reference):,} each;")
    print("all blurs of one draw are compared with the same real faces, as in evaluate.py")
    heading = "".join(f"  {step:>11}" for step in steps)
    print(f"{'images':>8}  {'floor':>8}  {'blur 1.5':>8}  {'deviation':>9}  blurs ranked correctly:{heading}")
    random, names = np.random.RandomState(4), ["real", *(f"blur {radius}" for radius in LADDER)]
    for count in COUNTS:
        found = np.empty((draws, len(names)))
        for row in found:
            real = some(reference, count, random)
            row[:] = [distances.frechet_distance(some(damaged[name], count, random), real) for name in names]
        floor, middle = found[:, 0].mean(), found[:, names.index("blur 1.5")]
        right = "".join(f"  {share:11.0%}" for share in (np.diff(found[:, 1:]) > 0).mean(0))
        deviation = middle.std(ddof=1) / middle.mean()
        print(f"{count:8,}  {floor:8.4f}  {middle.mean():8.4f}  {deviation:9.1%}  {'':23}{right}", flush=True)


def some(features, count, random):
    return features[random.permutation(len(features))[:count]]


def cost_table(pixels):
    """Print the seconds of one measurement during training, without drawing the images."""
    count = quality.TRAINING_COUNT
    metric = quality.QualityMetric(pixels[: REAL + count], count=count)
    started = time.perf_counter()
    metric.figures(pixels[-count:])
    seconds = time.perf_counter() - started
    print(f"\none measurement of {count:,} images during training: {seconds:.1f} s, without drawing them")


if __name__ == "__main__":
    cli.run(main)
