"""Check the quality figures on real faces damaged on purpose, and against three other networks.

    python benchmarks/quality.py data/faces80.npz --judges judges --run runs/faces80

Prints a table of damaged faces, of the bundled generator's and of a run's
checkpoints, each with our figures and the judges', and how well the orders
agree (Spearman); then whether the kernel distance's range covers repeated
draws, and what one measurement costs. Writes nothing. How to install the
judges: benchmarks/judges.py. The exit code is 1 if real faces are over a tenth
worse than the best row, if the generator and halves of two people are not in
the order that the identity network gives them, or if the range fails.
"""

import io
import sys
import time
from pathlib import Path

import judges
import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli, datasets, generators, latents
from facegan.common.cli import UserError
from facegan.metrics import distances, quality
from facegan.metrics.face_features import face_features

POOL = 4_000  # faces at most in each half that draws are repeated from
TILE = 0.2  # of an image's side
TRUNCATIONS = (1, 0.8, 0.6)


def main():
    options = parse_arguments()
    cli.import_keras()
    with cli.naming("FACES"):
        pixels = datasets.load_images(options.data)[0]
    if len(pixels) < 3 * options.count or not quality.are_faces(pixels):
        raise UserError(f"FACES {options.data}: must hold {3 * options.count:,} faces or more; prepare more")
    rows = np.random.RandomState(0).permutation(len(pixels))
    reference, others = np.sort(rows[: 2 * options.count]), pixels[rows[2 * options.count : 3 * options.count]]
    metric = quality.QualityMetric(pixels, reference, options.count)
    print(f"{options.count:,} faces of {'x'.join(map(str, pixels.shape[1:]))} against {len(reference):,} others\n")
    networks = judges.load(options.judges) if options.judges else {}
    table = Table(metric, networks, pixels[reference])
    table.add("real", others)
    for name, damage, strengths in DAMAGES:
        for strength in strengths:
            table.add(name.format(strength), damage(others, strength))
    generator = generators.load_generator(generators.BUNDLED)
    points = generator.latents_of(range(1, options.count + 1))
    for psi in TRUNCATIONS:
        table.add(f"bundled generator, truncation {psi}", generator.draw(latents.truncate(points, psi)))
    good = table.summary("all rows")
    for path in generators.checkpoints(options.run) if options.run else []:
        generator = generators.load_generator(path)
        table.add(path.name, generator.draw(generator.latents_of(range(1, options.count + 1))))
    if options.run:
        table.summary(
            "checkpoints", [name for name in table.rows if name.startswith(("generator_model", "generator_average"))]
        )
    covered = range_table(pixels, options.draws)
    started = time.perf_counter()
    quality.QualityMetric.figures(metric, others)
    print(f"\none measurement of {options.count:,} images: {time.perf_counter() - started:.1f} s, without drawing them")
    return 0 if good and covered else 1


def parse_arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("data", metavar="FACES", help="a .npz of faces, at least three times --count")
    parser.add_argument("--count", type=cli.integer(100), default=2_000, metavar="N", help="faces of each row")
    parser.add_argument("--judges", metavar="FOLDER", help="where the judges' packages are installed")
    parser.add_argument("--run", metavar="FOLDER", help="also measure the generators of this run")
    parser.add_argument("--draws", type=cli.integer(5), default=20, metavar="N", help="draws for the range")
    return parser.parse_args()


class Table:
    """Prints our figures and the judges' of one set of images after another.

    Args:
        metric: a `quality.QualityMetric`. networks: from `judges.load`. real: the pixels that the judges compare with.
    """

    def __init__(self, metric, networks, real):
        self.metric, self.networks, self.rows = metric, networks, {}
        self.real = {name: compute(real) for name, compute in networks.items()}
        columns = ("times real", *quality.PARTS, "NN div.", "coverage", *networks)
        print(" " * 38 + "".join(f"{column:>11}" for column in columns), flush=True)

    def add(self, name, pixels):
        """Measure images, print a row and keep it; the judges' distances as multiples of the first row's."""
        figures = self.metric.figures(pixels)
        judged = {
            network: distances.frechet_distance(compute(pixels), self.real[network])
            for network, compute in self.networks.items()
        }
        self.rows[name] = (figures.times_real, judged)
        first = next(iter(self.rows.values()))[1]
        values = [figures.times_real, *(getattr(figures, part) for part in quality.PARTS)]
        values += [figures.nearest_neighbour_diversity, figures.coverage]
        values += [judged[network] / first[network] for network in self.networks]
        print(f"{name:38}" + "".join(f"{value:11.2f}" for value in values), flush=True)

    def summary(self, title, names=None):
        """Print how well the order agrees with each judge's; returns whether the rows that matter are ranked well."""
        names = names or list(self.rows)
        ours = [self.rows[name][0] for name in names]
        for network in self.networks:
            theirs = [self.rows[name][1][network] for name in names]
            print(f"{title}, {len(names)}: Spearman {spearman(ours, theirs):.3f} with {network}")
        drawn, pasted = self.rows[f"bundled generator, truncation {TRUNCATIONS[0]}"], self.rows["halves of two people"]
        agrees = "identity" not in self.networks or (drawn[0] > pasted[0]) == (
            drawn[1]["identity"] > pasted[1]["identity"]
        )
        return self.rows["real"][0] <= 1.1 * min(figures for figures, _ in self.rows.values()) and agrees


def spearman(a, b):
    """The correlation of the ranks of two lists of different values."""
    return float(np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1])


def each(pixels, change):
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in pixels])


def blurred(pixels, radius):
    return each(pixels, lambda image: image.filter(ImageFilter.GaussianBlur(radius * pixels.shape[2] / 80)))


def shrunk(pixels, side):
    """Shrink to `side` of 80 pixels and enlarge again."""
    height, width = pixels.shape[1:3]
    smaller = (round(width * side / 80), round(height * side / 80))
    bicubic = Image.Resampling.BICUBIC
    return each(pixels, lambda image: image.resize(smaller, bicubic).resize((width, height), bicubic))


def compressed(pixels, quality_of_jpeg):
    def there_and_back(image):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality_of_jpeg)
        return Image.open(file)

    return each(pixels, there_and_back)


def noisy(pixels, sigma):
    noise = np.random.default_rng(1).standard_normal(pixels.shape, np.float32)
    return np.clip(pixels + sigma * noise, 0, 255).astype(np.uint8)


def meshed(pixels, strength):
    """Add a checkerboard of single pixels, lighter and darker by `strength`."""
    board = np.indices(pixels.shape[1:3]).sum(0) % 2 * 2 - 1
    return np.clip(pixels + strength * board[..., None], 0, 255).astype(np.uint8)


def joined(pixels, weight):
    """Each image where `weight` (height or 1, width or 1) is 0, and the one before it where it is 1."""
    weight = weight[..., None]
    return np.rint(pixels * (1 - weight) + np.roll(pixels, 1, 0) * weight).astype(np.uint8)


def halves(pixels, seam):
    """The left half of each face with the right half of another, blended over `seam` of the width."""
    places = (np.arange(pixels.shape[2]) + 0.5) / pixels.shape[2] - 0.5
    return joined(pixels, np.clip(places / max(seam, 1e-9) + 0.5, 0, 1)[None])


def top_and_bottom(pixels, _):
    return joined(pixels, (np.arange(pixels.shape[1]) >= pixels.shape[1] // 2)[:, None])


def shuffled(pixels, moved):
    """Move `moved` of the 25 tiles of each face to one another's places."""
    random, side, result = np.random.RandomState(1), round(TILE * pixels.shape[1]), pixels.copy()
    count = pixels.shape[1] // side
    for before, after in zip(pixels, result, strict=True):
        places = random.permutation(count**2)[:moved]
        for target, source in zip(places, np.roll(places, 1), strict=True):
            (y, x), (from_y, from_x) = (np.multiply(divmod(place, count), side) for place in (target, source))
            after[y : y + side, x : x + side] = before[from_y : from_y + side, from_x : from_x + side]
    return result


def without_an_eye(pixels, share):
    """Smear the eye on the left in a share of the faces."""
    side, result = pixels.shape[1], pixels.copy()
    where = np.s_[: round(share * len(pixels)), side // 4 : side // 2, side // 8 : side * 9 // 20]
    result[where] = blurred(np.ascontiguousarray(pixels[where]), 5 * 80 / side)
    return result


def warped(pixels, distance):
    """Bend each image by smooth random shifts of about `distance` pixels."""
    random, (height, width) = np.random.default_rng(2), pixels.shape[1:3]
    result = np.empty_like(pixels)
    for before, after in zip(pixels, result, strict=True):
        fields = random.standard_normal((2, 5, 5), np.float32)
        shifts = [np.asarray(Image.fromarray(field).resize((width, height))) for field in fields]
        places = np.rint(np.indices((height, width)) + distance * np.stack(shifts)).astype(int)
        after[:] = before[np.clip(places[0], 0, height - 1), np.clip(places[1], 0, width - 1)]
    return result


def repeated(pixels, count):
    return pixels[np.arange(len(pixels)) % count]


def faded(pixels, contrast):
    means = pixels.mean((1, 2), keepdims=True)
    return np.clip(means + contrast * (pixels - means), 0, 255).astype(np.uint8)


def tinted(pixels, shift):
    return np.clip(pixels + np.array([shift, 0, -shift]), 0, 255).astype(np.uint8)


def darker(pixels, percent):
    """Replace a percentage of the faces by faces darker than the median: part of what is real is never drawn."""
    brightness, rows = pixels.mean((1, 2, 3)), np.arange(len(pixels))
    replaced = np.random.RandomState(1).permutation(len(pixels))[: len(pixels) * percent // 100]
    rows[replaced] = np.resize(np.flatnonzero(brightness < np.median(brightness)), len(replaced))
    return pixels[rows]


# Name, function, strengths from weak to strong.
DAMAGES = (
    ("blurred by a radius of {}", blurred, (0.5, 1, 1.5, 3)),
    ("shrunk to {} of 80 pixels and back", shrunk, (48, 32)),
    ("JPEG quality {}", compressed, (50, 20, 8)),
    ("noise of sigma {}", noisy, (5, 10, 20, 60)),
    ("mesh of ±{}", meshed, (4, 8, 16)),
    ("halves of two people", halves, (0,)),
    ("the same, blended over {} of the width", halves, (0.25,)),
    ("top and bottom of two people", top_and_bottom, (None,)),
    ("{} of 25 tiles change places", shuffled, (2, 8, 25)),
    ("an eye smeared in {} of the faces", without_an_eye, (0.5,)),
    ("bent by {} pixels", warped, (2, 4)),
    ("{} faces repeated", repeated, (100, 10)),
    ("contrast {}", faded, (0.7,)),
    ("redder and less blue by {} levels", tinted, (20,)),
    ("{}% replaced by dark faces", darker, (100,)),
)


def range_table(pixels, draws, count=1_000):
    """Print how often one draw's range contains another's estimate; returns whether it does in 90% of draws."""
    rows = np.random.RandomState(2).permutation(len(pixels))[: 2 * POOL]
    half, reference = pixels[rows[::2]], face_features(pixels[rows[1::2]])
    sets = {"real": half, "32 of 80 pixels": shrunk(half, 32), "noise of sigma 20": noisy(half, 20)}
    print(f"\nkernel distance x 1000 in {draws} draws of {count:,} against {count:,}, from {len(reference):,} each:")
    print(f"{'':20}    mean  deviation  half of the range  covers other draws")
    random, good = np.random.RandomState(3), True
    for name, features in ((name, face_features(damaged)) for name, damaged in sets.items()):
        pairs = ((some(features, count, random), some(reference, count, random)) for _ in range(draws))
        estimates, low, high = 1000 * np.array([distances.kernel_distance(*pair) for pair in pairs]).T
        inside = (low[:, None] <= estimates) & (estimates <= high[:, None]) & ~np.eye(draws, dtype=bool)
        covered, half_range = inside.sum() / (draws * (draws - 1)), (high - low).mean() / 2
        line = f"{estimates.mean():8.3f}  {estimates.std(ddof=1):9.3f}  {half_range:17.3f}  {covered:18.0%}"
        print(f"{name:20}{line}", flush=True)
        good = good and covered >= 0.9
    return good


def some(features, count, random):
    return features[random.permutation(len(features))[:count]]


if __name__ == "__main__":
    cli.run(main)
