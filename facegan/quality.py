"""How far generated faces are from real ones, in figures that need no download and seconds to compute.

The figures compare features: the face detector's for faces (`facegan.face_features`), shrunk pixels or a classifier's
for other images (`facegan.plain_features`). They depend on how many images are compared, so the numbers are fixed.
"""

import numpy as np

from facegan import distances
from facegan.distances import frechet_distance, kernel_distance
from facegan.face_features import FACE_THRESHOLD, face_features, face_scores, features_and_scores
from facegan.plain_features import pixel_features

__all__ = ["Judge", "are_faces", "face_features", "face_scores", "frechet_distance", "kernel_distance"]

TRAINING_COUNT = 1_000  # generated images a measurement during training draws; it costs a few steps' time
REAL_COUNT = 5_000  # real images at most that they are compared with
FEWEST = 1_000  # held-out images below which all rows serve as real ones
SAMPLE = 256  # real images looked at to tell whether the data are faces
FIGURES = ("frechet_distance", "kernel_distance", "face_share", "spacing", "coverage")


def are_faces(pixels):
    """Whether the detector takes at least half of some random rows of a data set for faces."""
    rows = _random_rows(len(pixels), SAMPLE)
    return float((face_scores(pixels[rows]) > FACE_THRESHOLD).mean()) >= 0.5


def look_at_faces(pixels):
    """The features and face scores of images, (n, 256) and (n,), as `Judge` wants them."""
    return features_and_scores(pixels)


def look_at_pixels(pixels):
    """The features of images that are no faces, from their pixels; None stands for face scores."""
    return pixel_features(pixels), None


SEEN_BY = {look_at_faces: "what the face detector sees", look_at_pixels: "their pixels"}


class Judge:
    """Measures one set of generated images after another against the same real ones.

    Args:
        pixels: the data set, uint8 (n, height, width, channels), mapped or in memory; only the rows drawn are read.
        held_out_rows: rows kept out of training. With a thousand or more they are the real images; with fewer the real
            images are drawn from all rows.
        count: how many generated images a measurement takes.
        look: a function from pixels to (features, face scores or None); None: `look_at_faces` where `are_faces`, else
            `look_at_pixels`.
        look_at_rows: a function from row numbers to the same, for a caller who keeps the features of real images.

    Attributes:
        held_out: whether the real images are held-out ones.
        real_rows: their rows, at most 5,000, drawn at random and always the same ones.
        real_face_share: the share of them in which the detector sees a face, or None.
        floor: the figures of `count` other real images (fewer where the data has no more, None below two): what a
            perfect generator would get.
        floor_count: how many images that took.
    """

    def __init__(self, pixels, held_out_rows=(), count=TRAINING_COUNT, look=None, look_at_rows=None):
        if look is None:
            look = look_at_faces if are_faces(pixels) else look_at_pixels
        look_at_rows = look_at_rows or (lambda rows: look(pixels[rows]))
        self.look, self.count = look, count
        self.held_out = len(held_out_rows) >= FEWEST
        self.real_rows, others = _real_and_other_rows(len(pixels), held_out_rows if self.held_out else (), count)
        self.features, scores = look_at_rows(self.real_rows)
        self.real_face_share = face_share(scores)
        self.floor_count = len(others)
        self.floor = self._compare(*look_at_rows(others)) if len(others) > 1 else None

    def figures(self, pixels):
        """Measure generated images.

        Args:
            pixels: uint8 (count, height, width, channels).

        Returns:
            A dict of floats: frechet_distance, kernel_distance with kernel_low and kernel_high, face_share (None where
            the data are no faces), spacing, coverage. See `facegan.distances`.

        Raises:
            ValueError: another number of images, whose figures could not be compared.
        """
        if len(pixels) != self.count:
            raise ValueError(f"this measurement takes {self.count} images, not {len(pixels)}")
        return self._compare(*self.look(pixels))

    def _compare(self, features, scores):
        estimate, low, high = kernel_distance(features, self.features)
        return {
            "frechet_distance": frechet_distance(features, self.features),
            "kernel_distance": estimate,
            "kernel_low": low,
            "kernel_high": high,
            "face_share": face_share(scores),
            "spacing": distances.spacing(features, self.features),
            "coverage": distances.coverage(features, self.features),
        }

    def describe(self):
        """One line for people: what is compared with what, and what real images get."""
        kind = "held-out real" if self.held_out else "real"
        text = f"quality: {self.count:,} generated against {len(self.real_rows):,} {kind} images"
        text += f", by {SEEN_BY.get(self.look, 'features learnt from their labels')}"
        if self.floor is not None:
            text += f"; {self.floor_count:,} other real ones stand at {self.floor['frechet_distance']:.3f}"
        return text


def face_share(scores):
    """The share of face scores above the detector's own threshold; None for None."""
    return None if scores is None else float((np.asarray(scores) > FACE_THRESHOLD).mean())


def _random_rows(rows, count, seed=0):
    """At most `count` of some rows (an array, or a number for all of so many), at random; always the same ones."""
    return np.sort(np.random.RandomState(seed).permutation(rows)[:count])


def _real_and_other_rows(total, held_out_rows, count):
    """The rows to compare with, and `count` others for the floor: training rows where some rows are held out."""
    if len(held_out_rows):
        real = _random_rows(np.asarray(held_out_rows), REAL_COUNT)
        return real, _random_rows(np.setdiff1d(np.arange(total), held_out_rows), count, seed=1)
    # Without held-out rows a small data set is halved, so that there is a floor at all.
    real = _random_rows(total, min(REAL_COUNT, max(total // 2, total - count)))
    return real, _random_rows(np.setdiff1d(np.arange(total), real), count, seed=1)
