"""How far generated images are from real ones, in figures that need no download and seconds to compute.

The figures compare features: the face detector's for faces (`face_features`), shrunk pixels or a classifier's for other
images (`plain_features`). They depend on how many images are compared, so these numbers are fixed.
"""

import dataclasses
import zipfile
from collections.abc import Callable

from facegan.common import files
from facegan.metrics import distances
from facegan.metrics.face_features import FACE_THRESHOLD, face_scores, features_and_scores
from facegan.metrics.plain_features import pixel_features

import numpy as np

TRAINING_COUNT = 1_000  # generated images of a measurement during training; it costs the time of a few steps
REAL_COUNT = 5_000  # real images at most that they are compared with
RELIABLE_COUNT = 1_000  # images below which figures scatter too much; fewer held-out images are not used alone
SAMPLE = 256  # real images examined to find out whether the data are faces
BLOCK = 1_024  # images in memory at once
VERSION = "onet-48-bilinear"  # changes with what `face_features` computes
KERNEL_SCALE = 1_000  # kernel distances are shown to people times this


def _labelled(text):
    """A field of `Figures` with its label for people."""
    return dataclasses.field(metadata={"label": text})


@dataclasses.dataclass(frozen=True)
class Figures:
    """The figures of one set of generated images, from which tables, csv files and plots take columns and labels.

    `kernel_low` and `kernel_high` are the range of 95 in 100 repeated draws. `face_share` is the share of images that
    the detector takes for faces, or None where the features are not the detector's. The others: see `distances`.
    """

    frechet_distance: float = _labelled("Fréchet distance")
    kernel_distance: float = _labelled(f"kernel distance x {KERNEL_SCALE}")
    kernel_low: float
    kernel_high: float
    face_share: float | None = _labelled("face share")
    nearest_neighbour_diversity: float = _labelled("NN diversity")
    coverage: float = _labelled("coverage")

    def logged(self):
        """{name: value} of `FIGURES`, for a row of a run's log.csv."""
        return {name: getattr(self, name) for name in FIGURES}


LABELS = {field.name: field.metadata["label"] for field in dataclasses.fields(Figures) if field.metadata}
FIGURES = tuple(LABELS)  # columns of log.csv: without the range


@dataclasses.dataclass(frozen=True)
class Features:
    """What images are compared by.

    Attributes:
        name: for people, to end the sentence "images are compared by …".
        compute: a function from pixels (n, height, width, channels) to (features (n, d), face scores (n,) or None).
    """

    name: str
    compute: Callable


FACES = Features("what the face detector sees", features_and_scores)
PIXELS = Features("their pixels", lambda pixels: (pixel_features(pixels), None))


def are_faces(pixels):
    """Whether the detector takes at least half of a data set's images for faces, judging by a random sample."""
    rows = _random_rows(len(pixels), SAMPLE)
    return float((face_scores(pixels[rows]) > FACE_THRESHOLD).mean()) >= 0.5


def compare(features, scores, real_features):
    """Compute the `Figures` of generated images from features (n, d), face scores (n,) or None, and real features."""
    estimate, low, high = distances.kernel_distance(features, real_features)
    return Figures(
        frechet_distance=distances.frechet_distance(features, real_features),
        kernel_distance=estimate,
        kernel_low=low,
        kernel_high=high,
        face_share=None if scores is None else float((scores > FACE_THRESHOLD).mean()),
        nearest_neighbour_diversity=distances.nearest_neighbour_diversity(features, real_features),
        coverage=distances.coverage(features, real_features),
    )


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
        floor: the `Figures` of `count` other real images (fewer where the data has no more, None below two): what a
            perfect generator would get.
        floor_count: how many images that took.
    """

    def __init__(self, pixels, held_out_rows=(), count=None, cache=None):
        self.count = TRAINING_COUNT if count is None else count
        self.cache = cache or FeatureCache(pixels, FACES if are_faces(pixels) else PIXELS)
        self.held_out = len(held_out_rows) >= RELIABLE_COUNT
        self.real_rows, others = _real_and_other_rows(len(pixels), held_out_rows if self.held_out else (), self.count)
        self.real_features = self.cache.of_rows(self.real_rows)[0]
        self.floor_count = len(others)
        self.floor = compare(*self.cache.of_rows(others), self.real_features) if len(others) > 1 else None

    def figures(self, pixels):
        """Measure generated images, uint8 (count, height, width, channels), and return their `Figures`.

        Raises:
            ValueError: another number of images, whose figures could not be compared.
        """
        if len(pixels) != self.count:
            raise ValueError(f"this metric takes {self.count} images, not {len(pixels)}")
        return compare(*self.cache.features.compute(pixels), self.real_features)

    def describe(self):
        """One line for people: what is compared with what, and what real images get."""
        kind = "held-out real" if self.held_out else "real"
        text = f"quality: {self.count:,} generated against {len(self.real_rows):,} {kind} images, compared by "
        text += self.cache.features.name
        if self.floor is not None:
            text += f"; {self.floor_count:,} other real images are at {self.floor.frechet_distance:.3f}"
        return text


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
        self._rows, self._features, self._scores = np.empty(0, np.int64), [], []  # the latter two in blocks
        if path is not None:
            self._read()

    def of_rows(self, rows):
        """(features, face scores or None) of the data set's rows, in their order; computes those not known yet."""
        rows = np.asarray(rows)
        missing = np.setdiff1d(rows, self._rows)
        for start in range(0, len(missing), BLOCK):
            features, scores = self.features.compute(self.pixels[missing[start : start + BLOCK]])
            self._features.append(features)
            self._scores.append(scores)
        self._rows = np.concatenate([self._rows, missing])
        if len(missing) and self.path is not None:
            self._write()
        places = np.argsort(self._rows)[np.searchsorted(np.sort(self._rows), rows)]
        scores = None if self._scores[0] is None else np.concatenate(self._scores)[places]
        return np.concatenate(self._features)[places], scores

    def _read(self):
        try:
            with self.path.open("rb") as file, np.load(file) as saved:
                if str(saved["key"]) == self._key:
                    self._rows, self._features, self._scores = saved["rows"], [saved["features"]], [saved["scores"]]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return  # none yet, or damaged: it only holds what can be computed again

    def _write(self):
        with files.atomic_write(self.path) as file:
            features, scores = np.concatenate(self._features), np.concatenate(self._scores)
            np.savez(file, key=np.array(self._key), rows=self._rows, features=features, scores=scores)


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
