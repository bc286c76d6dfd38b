"""How far generated images are from real ones, in figures that need no download and seconds to compute.

Three distances say how many times as far as other real images: of the whole (the face detector's features, reduced
pixels or a classifier's), and of texture and detail place by place (`local_features`). Their geometric mean ranks
generators. Figures depend on how many images are compared, so these numbers are fixed.
"""

import dataclasses
from collections.abc import Callable

from facegan.common import datasets, files
from facegan.metrics import distances
from facegan.metrics.face_features import FACE_THRESHOLD, face_features, face_scores
from facegan.metrics.local_features import local_features, resized, whitened, whitening
from facegan.metrics.plain_features import pixel_features

import numpy as np

TRAINING_COUNT = 1_000  # generated images of a measurement during training; it costs the time of a few steps
REAL_COUNT = 5_000  # real images at most that they are compared with
LOCAL_COUNT = 2_000  # of these, at most, in texture and detail, whose features are few
RELIABLE_COUNT = 1_000  # images below which figures scatter too much; fewer held-out images are not used alone
SMALLEST = 1e-12  # distance of a part
FLOOR_DRAWS = 5  # of which the floor is the mean
FEWEST_IMAGES = 4
SAMPLE = 256  # real images examined to find out whether the data are faces
BLOCK = 1_024  # images in memory at once
VERSION = "onet-48-bilinear 2"  # changes with what `face_features` computes and how it is kept
KERNEL_SCALE = 1_000  # kernel distances are shown to people times this


def _labelled(text):
    """A field of `Figures` with its label for people."""
    return dataclasses.field(metadata={"label": text})


@dataclasses.dataclass(frozen=True)
class Figures:
    """The figures of one set of generated images, from which tables, csv files and plots take columns and labels.

    `whole`, `texture` and `detail` are distances in multiples of that of other real images, and `times_real` is their
    geometric mean. `frechet_distance` is that of the whole. `kernel_low` and `kernel_high` are the range of 95 in 100
    repeated draws. The others: see `distances`.
    """

    times_real: float = _labelled("times real")
    whole: float = _labelled("whole")
    texture: float = _labelled("texture")
    detail: float = _labelled("detail")
    frechet_distance: float = _labelled("Fréchet distance")
    kernel_distance: float = _labelled(f"kernel distance x {KERNEL_SCALE}")
    kernel_low: float
    kernel_high: float
    nearest_neighbour_diversity: float = _labelled("NN diversity")
    coverage: float = _labelled("coverage")

    def logged(self):
        """{name: value} of `FIGURES`, for a row of a run's log.csv."""
        return {name: getattr(self, name) for name in FIGURES}

    def describe(self):
        """The combined figure and its parts for people: "8.1x real (whole 5.2x, texture 11.3x, detail 9.0x)"."""
        parts = ", ".join(f"{name} {getattr(self, name):.1f}x" for name in PARTS)
        return f"{self.times_real:.1f}x real ({parts})"


PARTS = ("whole", "texture", "detail")
LABELS = {field.name: field.metadata["label"] for field in dataclasses.fields(Figures) if field.metadata}
FIGURES = tuple(LABELS)  # columns of log.csv: without the range


@dataclasses.dataclass(frozen=True)
class Features:
    """What whole images are compared by.

    Attributes:
        name: for people, to end the sentence "images are compared by …".
        compute: a function from pixels (n, height, width, channels) to features (n, d).
    """

    name: str
    compute: Callable


FACES = Features("what the face detector sees", face_features)
PIXELS = Features("their pixels", pixel_features)


def are_faces(pixels):
    """Whether the detector takes at least half of a data set's images for faces, judging by a random sample."""
    rows = _random_rows(len(pixels), SAMPLE)
    return float((face_scores(pixels[rows]) > FACE_THRESHOLD).mean()) >= 0.5


class QualityMetric:
    """Measures one set of generated images after another against the same real ones.

    Args:
        pixels: the data set, uint8 (n, height, width, channels), mapped or in memory; only the rows drawn are read.
        held_out_rows: rows kept out of training. If there are a thousand or more, they are the real images; otherwise
            the real images are drawn from all rows.
        count: how many generated images a measurement takes; None means `TRAINING_COUNT`.
        cache: the `FeatureCache` of `pixels`; None makes one in memory, of face features where `are_faces`, else of
            pixel features.

    Attributes:
        held_out: whether the real images are held-out ones.
        real_rows: their rows, at most 5,000, drawn at random and the same every time.
        real_features: their features, (n, d).
        floor: the `Figures` of `count` other real images (fewer where the data has no more), about 1x real: what a
            perfect generator would get.
        floor_count: how many images that took.

    Raises:
        ValueError: fewer than 4 images, two to compare with and two for the floor.
    """

    def __init__(self, pixels, held_out_rows=(), count=None, cache=None):
        if len(pixels) < FEWEST_IMAGES:
            raise ValueError(f"{len(pixels)} images are too few to measure with; {FEWEST_IMAGES} are needed")
        self.count = TRAINING_COUNT if count is None else count
        self.cache = cache or FeatureCache(pixels, FACES if are_faces(pixels) else PIXELS)
        self.held_out = len(held_out_rows) >= RELIABLE_COUNT
        self.real_rows, others = _real_and_other_rows(len(pixels), held_out_rows if self.held_out else (), self.count)
        self.real_features = self.cache.of_rows(self.real_rows)
        local_rows = _random_rows(self.real_rows, LOCAL_COUNT)
        real_local = local_features(pixels[local_rows])
        self._whitenings = [whitening(features) for features in real_local]
        self._real_parts = self._parts(self.real_features, real_local)
        self.floor_count = len(others)
        parts = self._parts(self.cache.of_rows(others), local_features(pixels[others]))
        self._floor_distances = [_floor_distance(*pair) for pair in zip(parts, self._real_parts, strict=True)]
        self.floor = self._compare(parts)

    def figures(self, pixels):
        """Measure generated images, uint8 (count, height, width, channels), and return their `Figures`.

        Raises:
            ValueError: another number of images, whose figures could not be compared.
        """
        if len(pixels) != self.count:
            raise ValueError(f"this metric takes {self.count} images, not {len(pixels)}")
        features = self.cache.features.compute(pixels)
        pixels = resized(pixels, *self.cache.pixels.shape[1:3])  # places of other sizes do not correspond
        return self._compare(self._parts(features, local_features(pixels)))

    def _parts(self, features, local):
        """The features of images in the order of `PARTS`: (n, d), then those of places, whitened, (n, places, d)."""
        pairs = zip(local, self._whitenings, strict=True)
        return (features, *(whitened(part, matrices) for part, matrices in pairs))

    def _compare(self, parts):
        """The `Figures` of images from what `_parts` makes."""
        found = [_distance(*pair) for pair in zip(parts, self._real_parts, strict=True)]
        times = np.divide(found, self._floor_distances)
        features = parts[0]
        estimate, low, high = distances.kernel_distance(features, self.real_features)
        return Figures(
            times_real=float(np.exp(np.log(times).mean())),
            **dict(zip(PARTS, map(float, times), strict=True)),
            frechet_distance=found[0],
            kernel_distance=estimate,
            kernel_low=low,
            kernel_high=high,
            nearest_neighbour_diversity=distances.nearest_neighbour_diversity(features, self.real_features),
            coverage=distances.coverage(features, self.real_features),
        )

    def describe(self):
        """One line for people: what is compared with what, and what real images get."""
        kind = "held-out real" if self.held_out else "real"
        text = f"quality: {self.count:,} generated against {len(self.real_rows):,} {kind} images, compared by "
        text += f"{self.cache.features.name}; 1x real is the distance of {self.floor_count:,} other real images"
        return f"{text} ({self.floor.frechet_distance:.3f})"


def _distance(features, real_features):
    """The distance of a part, never 0: it must have a logarithm."""
    measure = distances.frechet_distance if features.ndim == 2 else distances.local_distance
    return max(measure(features, real_features), SMALLEST)


def _floor_distance(features, real_features):
    """The mean distance of two random parts, of these sizes, of all real images, since one pair's scatters."""
    both, found = np.concatenate([features, real_features]), []
    for seed in range(FLOOR_DRAWS):
        rows = np.random.RandomState(seed).permutation(len(both))
        found.append(_distance(both[rows[: len(features)]], both[rows[len(features) :]]))
    return float(np.mean(found))


class FeatureCache:
    """The features of a data set's images, each computed once, and kept in a file if asked to.

    Args:
        pixels: the data set, uint8 (n, height, width, channels).
        features: the `Features` to compute.
        path: the cache file, or None to keep nothing. A file of another data set or version is written anew.
        fingerprint: the data set's, from `datasets.load_images`; only needed with a path.
    """

    def __init__(self, pixels, features, path=None, fingerprint=""):
        self.pixels, self.features, self.path = pixels, features, path
        self._key = f"{VERSION} {fingerprint}"
        self._rows, self._features = np.empty(0, np.int64), []  # the latter in blocks
        if path is not None:
            self._read()

    def of_rows(self, rows):
        """The features (n, d) of the data set's rows, in their order; computes those not known yet."""
        rows = np.asarray(rows)
        missing = np.setdiff1d(rows, self._rows)
        for start in range(0, len(missing), BLOCK):
            self._features.append(self.features.compute(self.pixels[missing[start : start + BLOCK]]))
        self._rows = np.concatenate([self._rows, missing])
        if len(missing) and self.path is not None:
            self._write()
        places = np.argsort(self._rows)[np.searchsorted(np.sort(self._rows), rows)]
        return np.concatenate(self._features)[places]

    def _read(self):
        try:
            with self.path.open("rb") as file, np.load(file) as saved:
                if str(saved["key"]) == self._key:
                    self._rows, self._features = saved["rows"], [saved["features"]]
        except (OSError, ValueError, KeyError, TypeError, *datasets.DAMAGE):
            return  # none yet, or damaged: it only holds what can be computed again

    def _write(self):
        with files.atomic_write(self.path) as file:
            datasets.save_arrays(
                file, key=np.array(self._key), rows=self._rows, features=np.concatenate(self._features)
            )


def _random_rows(rows, count, seed=0):
    """At most `count` of `rows` (an array, or their number), drawn at random but the same every time; sorted."""
    return np.sort(np.random.RandomState(seed).permutation(rows)[:count])


def _real_and_other_rows(total, held_out_rows, count):
    """The rows to compare with, and `count` others for the floor: training rows where some rows are held out."""
    if len(held_out_rows):
        real = _random_rows(np.asarray(held_out_rows), REAL_COUNT)
        return real, _random_rows(np.setdiff1d(np.arange(total), held_out_rows), count, seed=1)
    # Without held-out rows a small data set is split in halves, so that there is a floor at all.
    real = _random_rows(total, min(REAL_COUNT, max(total // 2, total - count)))
    return real, _random_rows(np.setdiff1d(np.arange(total), real), count, seed=1)
