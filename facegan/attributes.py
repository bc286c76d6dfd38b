"""What can be measured in the image of a face: smile, turn, nod and tilt from the detector's landmarks, brightness."""

import csv
from pathlib import Path

import numpy

from facegan import face_features, npz

MEASURED = ("smile", "turn", "nod", "tilt", "brightness")
LABELLED_ROWS = 6_000  # more do not make the reading of a label noticeably better
LEAST_ROWS = 100
RIDGE = 0.01  # share of the rows, for features that are scaled to deviation 1


def measure(pixels):
    """Measure every attribute of `MEASURED`.

    Args:
        pixels: (n, height, width, channels) uint8, tight crops of faces.

    Returns:
        A dictionary from the name to (n,) float64: `smile` is the width of the mouth and `turn` the nose's way to the
        right of the eyes' middle, both in distances between the eyes; `nod` is how far down from the eyes to the mouth
        the nose lies; `tilt` the slope of the eyes in degrees, positive where the right one is lower; `brightness`
        the mean from 0 to 1.
    """
    points = face_features.face_landmarks(face_features.face_features(pixels)).astype(numpy.float64)
    left_eye, right_eye, nose, mouth_left, mouth_right = points.transpose(1, 0, 2)
    eyes, middle, mouth = right_eye - left_eye, (left_eye + right_eye) / 2, (mouth_left + mouth_right) / 2
    distance = numpy.linalg.norm(eyes, axis=1)
    return {
        "smile": numpy.linalg.norm(mouth_right - mouth_left, axis=1) / distance,
        "turn": ((nose - middle) * eyes).sum(axis=1) / distance**2,
        "nod": (nose - middle)[:, 1] / (mouth - middle)[:, 1],
        "tilt": numpy.degrees(numpy.arctan2(eyes[:, 1], eyes[:, 0])),
        "brightness": pixels.mean(axis=(1, 2, 3)) / 255,
    }


class Label:
    """Reads a label off images after having learnt it from a data set whose csv carries it as a column.

    It is the linear function of the detector's features that comes closest to the column (ridge regression).

    Args:
        path: the data set, NAME.npz with NAME.csv beside it. name: the column, of numbers such as 1 and −1.

    Attributes:
        agreement: correlation with the column on a fifth of the rows that it did not learn from.

    Raises:
        ValueError: in one line: no such file or column, or too few rows with a number.
    """

    def __init__(self, path, name):
        rows, values = _column(Path(path).with_suffix(".csv"), name)
        _, pixels = npz.open_array(path)
        chosen = numpy.random.RandomState(0).permutation(len(rows))[:LABELLED_ROWS]
        features = face_features.face_features(pixels[numpy.sort(rows[chosen])])
        values = values[chosen[numpy.argsort(rows[chosen])]]
        kept_back = numpy.arange(len(values)) % 5 == 0
        self._learn(features[~kept_back].astype(numpy.float64), values[~kept_back])
        self.agreement = float(numpy.corrcoef(self._read(features[kept_back]), values[kept_back])[0, 1])

    def _learn(self, features, values):
        self._mean, self._scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        scaled = (features - self._mean) / self._scale
        square = scaled.T @ scaled + RIDGE * len(scaled) * numpy.eye(scaled.shape[1])
        self._weights = numpy.linalg.solve(square, scaled.T @ (values - values.mean()))

    def _read(self, features):
        return (features - self._mean) / self._scale @ self._weights

    def measure(self, pixels):
        """How strongly images show the label: (n,) float64, larger for more."""
        return self._read(face_features.face_features(pixels))


def _column(path, name):
    """The rows of the data set that have a number in a column of its csv, and these numbers."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; prepare_faces.py --attributes writes it beside the data set")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if name not in (reader.fieldnames or []):
            raise ValueError(f"{path}: has no column {name}; it has {', '.join(reader.fieldnames or [])}")
        pairs = [(line["row"], line[name]) for line in reader if line.get("row") and line[name]]
    try:
        rows = numpy.array([int(row) for row, _ in pairs])
        values = numpy.array([float(value) for _, value in pairs])
    except ValueError:
        raise ValueError(f"{path}: column {name} holds something else than numbers") from None
    if len(rows) < LEAST_ROWS or values.std() == 0:
        raise ValueError(f"{path}: column {name} has {len(rows)} rows; {LEAST_ROWS} with different numbers are needed")
    return rows, values
