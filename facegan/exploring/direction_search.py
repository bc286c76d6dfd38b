"""Search for the direction along which an attribute of generated faces grows, and measure what else it changes.

An attribute is measured on the detector's landmarks, or by a predictor fitted to a labelled data set.
"""

import csv
import dataclasses
from pathlib import Path

from facegan.common import datasets
from facegan.exploring import directions
from facegan.metrics import face_features, quality

import numpy as np

STUDIED = 1_500  # faces that a direction is fitted to
FRESH = 200  # other faces that it is then measured on
FIRST_FRESH = 1_000_001  # numbers that nobody draws by hand
STRENGTHS = (-2, -1, 0, 1, 2)
LEAST_EXPLAINED = 0.02  # share of the variance; a direction below it is no better than a random one
LABELLED_ROWS = 6_000  # more do not make a label noticeably more accurate
LEAST_ROWS = 100
RIDGE = 0.01  # penalty per row, for features scaled to a standard deviation of 1


class NoDirectionError(ValueError):
    """An attribute does not depend on the latents closely enough."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """A direction and what it changes.

    Attributes:
        attribute: its name. step: (latent_dim,) float32, what strength 1 adds.
        explained: share of the attribute's variance over fresh faces that this direction accounts for.
        changes: a dictionary from the name of each attribute, this one first, to its mean change on the fresh faces
            at each of `STRENGTHS`, relative to strength 0, in standard deviations.
    """

    attribute: str
    step: np.ndarray
    explained: float
    changes: dict

    def table(self):
        """The measurements as lines to print."""
        accounted = f"{self.explained:.0%} of its variance on {FRESH} new faces"
        return [
            f"{self.attribute}: this direction accounts for {accounted}.",
            "Mean change in standard deviations, by strength:",
            " " * 14 + "".join(f"{strength:+8d}" if strength else f"{0:8d}" for strength in STRENGTHS),
            *(f"  {name:12}" + "".join(f"{x:+8.2f}" for x in changes) for name, changes in self.changes.items()),
        ]


def search(generator, attribute, label=None):
    """Fit a direction to generated faces and measure it on others.

    Args:
        generator: a `generators.Generator`. attribute: one of `directions.ATTRIBUTES`, or the name of the label.
        label: a `Label` that measures the attribute, or None to use the detector's landmarks.

    Returns:
        A `Finding`.

    Raises:
        NoDirectionError: the attribute does not depend on the latents closely enough.
    """

    def measured(points):
        pixels = generator.draw(points)
        values = measure(pixels)
        by_landmarks = values.pop(attribute, None)
        return {attribute: label.measure(pixels) if label else by_landmarks, **values}

    points = generator.latents_of(range(1, STUDIED + 1))
    values = measured(points)[attribute]
    if not values.std() > 0:
        raise NoDirectionError(f"{attribute}: is the same in all {STUDIED:,} faces, so no direction changes it")
    step = directions.fit(points, values)
    points = generator.latents_of(range(FIRST_FRESH, FIRST_FRESH + FRESH))
    by_strength = [measured(points + strength * step) for strength in STRENGTHS]
    start = by_strength[STRENGTHS.index(0)]
    explained = directions.explained(step, points, start[attribute])
    if explained < LEAST_EXPLAINED:
        share = f"{explained:.1%} of its variance"
        raise NoDirectionError(f"{attribute}: follows no direction; the best one accounts for {share}")
    changes = {
        name: [float((values[name] - start[name]).mean() / start[name].std()) for values in by_strength]
        for name in start
    }
    return Finding(attribute, step, explained, changes)


def search_all(generator, pixels):
    """Fit directions to all of `directions.ATTRIBUTES` at once, the same ones that `search` fits one by one.

    Args:
        generator: a `generators.Generator`. pixels: of its faces 1 to `STUDIED`, as it draws them.

    Returns:
        {attribute: step (latent_dim,) float32}, without those that follow no direction; empty if its images are not
        faces.
    """
    if not quality.are_faces(pixels):
        return {}
    points = generator.latents_of(range(1, STUDIED + 1))
    fresh_points = generator.latents_of(range(FIRST_FRESH, FIRST_FRESH + FRESH))
    fresh_values = measure(generator.draw(fresh_points))
    found = {}
    for name, values in measure(pixels).items():
        if values.std() > 0:
            step = directions.fit(points, values)
            if directions.explained(step, fresh_points, fresh_values[name]) >= LEAST_EXPLAINED:
                found[name] = step
    return found


def measure(pixels):
    """Measure every attribute of `directions.ATTRIBUTES`.

    Args:
        pixels: (n, height, width, channels) uint8, tight crops of faces.

    Returns:
        A dictionary from the name to (n,) float64. `smile` is the width of the mouth, and `turn` how far the nose is to
        the right of the midpoint of the eyes, both divided by the distance between the eyes. `nod` is how far down
        between the eyes and the mouth the nose is. `tilt` is the slope of the line between the eyes in degrees,
        positive if the right eye is lower. `brightness` is the mean, from 0 to 1.
    """
    points = face_features.face_landmarks(face_features.face_features(pixels)).astype(np.float64)
    left_eye, right_eye, nose, mouth_left, mouth_right = points.transpose(1, 0, 2)
    eyes, middle, mouth = right_eye - left_eye, (left_eye + right_eye) / 2, (mouth_left + mouth_right) / 2
    distance = np.linalg.norm(eyes, axis=1)
    return {
        "smile": np.linalg.norm(mouth_right - mouth_left, axis=1) / distance,
        "turn": ((nose - middle) * eyes).sum(axis=1) / distance**2,
        "nod": (nose - middle)[:, 1] / (mouth - middle)[:, 1],
        "tilt": np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0])),
        "brightness": pixels.mean(axis=(1, 2, 3)) / 255,
    }


class Label:
    """Predicts a label from the detector's features, by ridge regression on labelled images.

    Args:
        pixels, values: as `read_labels` returns them.

    Attributes:
        agreement: correlation with the labels on the fifth of the images that were held out of the fit.
    """

    def __init__(self, pixels, values):
        features = face_features.face_features(pixels)
        held_out = np.arange(len(values)) % 5 == 0
        learnt_from, known = features[~held_out].astype(np.float64), values[~held_out]
        self._mean, self._scale = learnt_from.mean(axis=0), learnt_from.std(axis=0) + 1e-6
        scaled = (learnt_from - self._mean) / self._scale
        self._weights = directions.ridge_regression(scaled, known - known.mean(), RIDGE)
        self.agreement = float(np.corrcoef(self._read(features[held_out]), values[held_out])[0, 1])

    def measure(self, pixels):
        """How strongly images show the label: (n,) float64, larger means more strongly."""
        return self._read(face_features.face_features(pixels))

    def _read(self, features):
        return (features - self._mean) / self._scale @ self._weights


def read_labels(path, column):
    """Read images and their labels, at most `LABELLED_ROWS` random rows in the order of the file.

    Args:
        path: a data set, NAME.npz with NAME.csv beside it. column: of the csv, numbers such as 1 and −1.

    Returns:
        (pixels (n, height, width, channels) uint8, values (n,) float64).

    Raises:
        ValueError: there is no such file or column, or it has too few rows with a number.
    """
    pixels = datasets.open_pixels(path)
    table = Path(path).with_suffix(".csv")
    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise ValueError(f"{table}: cannot be read; prepare_faces.py writes it beside the data set") from None
    if column not in (reader.fieldnames or []):
        raise ValueError(f"{table}: has no column {column}; it has {', '.join(reader.fieldnames or [])}")
    labelled = [line for line in lines if line.get("row") and line[column]]
    try:
        rows = np.array([int(line["row"]) for line in labelled])
        values = np.array([float(line[column]) for line in labelled])
    except ValueError:
        raise ValueError(f"{table}: column {column} has something other than numbers") from None
    if not np.isfinite(values).all():
        raise ValueError(f"{table}: column {column} has values that are NaN or infinite")
    if len(rows) < LEAST_ROWS or values.std() == 0:
        wanted = f"{LEAST_ROWS} that differ are needed"
        raise ValueError(f"{table}: column {column} has numbers in {len(rows)} rows; {wanted}")
    if rows.max() >= len(pixels):
        raise ValueError(f"{table}: names row {rows.max()}, but {path} has {len(pixels)} rows")
    chosen = np.random.RandomState(0).permutation(len(rows))[:LABELLED_ROWS]
    chosen = chosen[np.argsort(rows[chosen])]
    return pixels[rows[chosen]], values[chosen]
