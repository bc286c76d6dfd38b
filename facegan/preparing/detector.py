"""Faces detected in photographs, many at a time, with the networks and weights of the mtcnn package.

The cascade is that of Zhang et al. 2016: P-Net proposes squares over a pyramid of sizes, R-Net thins them out, O-Net
gives boxes, confidences and five landmarks. It differs from the package in how it runs: each network is compiled and
always sees the same shapes, whatever photos come together, so that a photo has the same faces to the last bit alone or
among others; and the pyramid starts with the faces worth finding, and continues to small ones, then to sizes between
its levels, then to the photo turned, only if there were none.
"""

import contextlib
import importlib.util
import os
import queue
import sys
from dataclasses import dataclass

from facegan.common import cli
from facegan.preparing import pyramid

import numpy as np

BIG, SMALL = 3, 12  # faces are searched for down to a third of the shorter side, then down to a twelfth
FAST_BIG, FAST_SIDE = 2.2, 89  # with `fast`: down to nearly half, in a photo reduced to at least this shorter side
PROPOSED, REFINED, ACCEPTED = 0.6, 0.7, 0.8  # the package's thresholds of the three networks
TURNS = (30, -30, 90, -90)  # degrees; the networks find upright faces, and most of those tilted by up to 45 degrees
ACCEPTED_TURNED = 0.9  # of four more attempts on the same photo, each may find what is no face
PHOTOS_AT_ONCE, CANVASES_AREA = 16, 480_000  # fewer photos if their canvases have more pixels in all
CROPS_AT_ONCE = {"R-Net": 128, "O-Net": 16}
MOST_BOXES = 600  # per photo; nms compares all pairs, and a picture of foliage may bring thousands of boxes
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@dataclass(frozen=True)
class Face:
    """A face detected.

    Attributes:
        box: (4,) left, top, right, bottom in pixels of the photo, not rounded; it may extend beyond the photo.
        confidence: O-Net's probability that this is a face.
        landmarks: (5, 2) x and y of `LANDMARKS`; left is the left of the picture.
    """

    box: np.ndarray
    confidence: float
    landmarks: np.ndarray

    def scaled(self, x, y):
        """The same face in a photo whose width is `x` times and whose height is `y` times as large."""
        return Face(self.box * [x, y, x, y], self.confidence, self.landmarks * [x, y])

    def moved(self, transform):
        """The same face after the affine `transform` (2, 3); the new box bounds the ellipse that the old one bounds."""
        linear, shift = transform[:, :2], transform[:, 2]
        centre = linear @ (self.box[:2] + self.box[2:]) / 2 + shift
        reach = np.sqrt(linear**2 @ (self.box[2:] - self.box[:2]) ** 2) / 2
        box = np.concatenate([centre - reach, centre + reach])
        return Face(box, self.confidence, self.landmarks @ linear.T + shift)


class Detector:
    """Detects faces, on a GPU if TensorFlow sees one.

    Args:
        every_face: search every photo for small faces, not only photos without a big one; those that would be found
            otherwise are always among them.
        smallest: search for faces from this many pixels if that is less than a twelfth of the shorter side.
        fast: search for big faces in a smaller version of the photo; boxes are a little less exact.
        in_threads: several threads will call this detector. TensorFlow then computes each operation on one core, in
            the whole process: half the time of operations on all cores. No effect if it runs already, or on a GPU.

    Raises:
        ValueError: as `check_packages`.
    """

    def __init__(self, every_face=False, smallest=None, fast=False, in_threads=False):
        check_packages()
        _start_tensorflow(in_threads)
        self._every_face, self._smallest, self._fast = every_face, smallest, fast

    def detect(self, photos):
        """Detect the faces of photos, a list of uint8 (height, width, 3).

        Returns:
            For each photo a list of `Face`, from the most confident to the least.
        """
        return self.detect_in_pyramids([self.build_pyramid(photo) for photo in photos])

    def build_pyramid(self, photo):
        """Build the levels that are searched first; this half of the work needs no TensorFlow and may run anywhere."""
        return pyramid.Pyramid(photo, FAST_BIG, FAST_SIDE) if self._fast else pyramid.Pyramid(photo, BIG)

    def detect_in_pyramids(self, pyramids):
        """As `detect`, for photos whose pyramids are built; fastest if those of equal canvases are neighbours."""
        with _networks() as networks:
            faces = _cascade(networks, pyramids)
            photos = [levels.photo for levels in pyramids]
            for attempt in (self._detect_small, self._detect_between, _detect_turned):
                missed = [k for k, found in enumerate(faces) if not found]
                for k, found in zip(missed, attempt(networks, [photos[k] for k in missed]), strict=True):
                    faces[k] = found
            if self._every_face:
                smaller = self._detect_small(networks, photos, beyond=FAST_BIG if self._fast else BIG)
                faces = [_joined(*pair) for pair in zip(faces, smaller, strict=True)]
            return faces

    def _detect_between(self, networks, photos):
        return self._detect_small(networks, photos, between=True)

    def _detect_small(self, networks, photos, **levels):
        """Detect faces down to the smallest; `levels` chooses among the pyramid's, see `pyramid.Pyramid`."""
        return _cascade(networks, [self._full_pyramid(photo, **levels) for photo in photos])

    def _full_pyramid(self, photo, **levels):
        side = min(photo.shape[:2])
        if self._smallest is None or self._smallest * SMALL >= side:
            return pyramid.Pyramid(photo, SMALL, **levels)
        finest = pyramid.LARGEST_SHORT_SIDE * max(1, pyramid.SMALLEST // self._smallest)
        return pyramid.Pyramid(photo, side / self._smallest, finest, **levels)


def _cascade(networks, pyramids):
    """Run the three networks; returns a list of faces for each pyramid."""
    p_net, r_net, o_net = networks
    boxes, photos = _propose(p_net, pyramids)
    answers = _batched(r_net, _squares(pyramids, boxes, photos, 24), CROPS_AT_ONCE["R-Net"], 6)
    good = answers[:, 5] > REFINED
    boxes, scores, photos = shift(boxes, answers[:, :4])[good], answers[good, 5], photos[good]
    kept = nms(boxes, scores, photos, 0.7)
    boxes, photos = square(boxes[kept]), photos[kept]
    answers = _batched(o_net, _squares(pyramids, boxes, photos, 48), CROPS_AT_ONCE["O-Net"], 16)
    landmarks = _landmarks(boxes, answers[:, 4:14])
    good = answers[:, 15] > ACCEPTED
    boxes, scores, photos = shift(boxes, answers[:, :4])[good], answers[good, 15], photos[good]
    kept = nms(boxes, scores, photos, 0.7, by_smaller=True)
    faces = [[] for _ in pyramids]
    for box, score, marks, k in zip(boxes[kept], scores[kept], landmarks[good][kept], photos[kept], strict=True):
        factor = pyramids[k].factor
        faces[k].append(Face(box, float(score), marks).scaled(factor, factor))
    return faces


def _detect_turned(networks, photos):
    """Detect big faces in photos turned by each of `TURNS`; returns for each photo the faces of its best turn."""
    best = [[] for _ in photos]
    for degrees in TURNS:
        turned = [pyramid.turned(photo, BIG, degrees) for photo in photos]
        found = _cascade(networks, [levels for levels, _ in turned])
        for k, (faces, (_, back)) in enumerate(zip(found, turned, strict=True)):
            faces = [face.moved(back) for face in faces if face.confidence > ACCEPTED_TURNED]
            best[k] = max(best[k], faces, key=lambda faces: faces[0].confidence if faces else 0)
    return best


def _joined(faces, further):
    """All of `faces`, and of `further` those that are none of them, from the most confident to the least."""
    both = faces + further
    boxes = np.array([face.box for face in both]).reshape(-1, 4)
    first = (np.arange(len(both)) < len(faces)).astype(float)
    kept = nms(boxes, first, np.zeros(len(both), int), 0.7, by_smaller=True)
    return sorted((both[k] for k in kept), key=lambda face: -face.confidence)


def _propose(p_net, pyramids):
    """Run P-Net over all levels; returns squares that may hold faces, (n, 4), by photo, and their photos, (n,)."""
    groups = {}
    for k, levels in enumerate(pyramids):
        groups.setdefault(levels.canvas, []).append(k)
    found = [(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))]
    for canvas, members in groups.items():
        for level in range(canvas[0]):
            found += _propose_level(p_net, pyramids, level, members)
    boxes, scores, photos = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = nms(boxes, scores, photos, 0.7)
    return square(boxes[kept]), photos[kept]


def _propose_level(p_net, pyramids, level, members):
    """Run P-Net over one level of the pyramids `members`, of equal canvases; yields boxes, scores and photos."""
    canvas = pyramids[members[0]].canvas
    shape = pyramid.canvas_shape(canvas, level)
    at_once = int(np.clip(CANVASES_AREA / (canvas[1] * canvas[2]), 1, PHOTOS_AT_ONCE))
    for start in range(0, len(members), at_once):
        batch = np.array(members[start : start + at_once])
        pixels = np.full((at_once, *shape, 3), 128, np.uint8)
        extents = np.full((at_once, 2), pyramid.CELL, np.int32)
        for place, k in enumerate(batch):
            height, width = extents[place] = pyramids[k].levels[level].shape[:2]
            pixels[place, :height, :width] = pyramids[k].levels[level]
        answers = p_net(pixels, extents).numpy()[: len(batch)]
        scales = np.array([pyramids[k].scales[level] for k in batch])
        boxes, scores, places = _cells_to_boxes(answers, pyramid.cells(extents), scales)
        kept = nms(boxes, scores, places, 0.5)
        yield boxes[kept], scores[kept], batch[places[kept]]


def _cells_to_boxes(answers, limits, scales):
    """Turn P-Net's cells (n, rows, columns, 6) above the threshold into boxes, their scores and their places 0..n-1.

    Boxes are in pixels of the photo. `limits` (n, 2) says how many rows and columns of cells lie in the photo. The
    package counts pixels of a level from 1.
    """
    places, rows, columns = np.nonzero(answers[..., 5] > PROPOSED)
    inside = (rows < limits[places, 0]) & (columns < limits[places, 1])
    places, rows, columns = places[inside], rows[inside], columns[inside]
    chosen = answers[places, rows, columns]
    corners = 2.0 * np.stack([columns, rows, columns, rows], axis=1) + [1, 1, pyramid.CELL, pyramid.CELL]
    boxes = (corners + chosen[:, :4] * (pyramid.CELL - 1)) / scales[places, None]
    return boxes, chosen[:, 5], places


def _squares(pyramids, boxes, photos, size):
    """Sample the squares of all photos, uint8 (n, size, size, 3); boxes are sorted by photo."""
    edges = np.searchsorted(photos, np.arange(len(pyramids) + 1))
    parts = [
        levels.squares(boxes[low:high], size)
        for levels, low, high in zip(pyramids, edges[:-1], edges[1:], strict=True)
        if high > low
    ]
    return np.concatenate(parts) if parts else np.zeros((0, size, size, 3), np.uint8)


def _landmarks(boxes, offsets):
    """Convert O-Net's five x and five y, in widths and heights of its square, to (n, 5, 2) pixels of the photo."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    points = np.stack([offsets[:, :5], offsets[:, 5:]], axis=2)
    return points * sides[:, None] + boxes[:, None, :2] - 1


def _batched(network, crops, at_once, columns):
    """Run a network over crops in batches of one shape, the last filled up; returns (n, columns)."""
    missing = -len(crops) % at_once
    filled = np.concatenate([crops, np.zeros((missing, *crops.shape[1:]), np.uint8)])
    answers = [network(filled[start : start + at_once]).numpy() for start in range(0, len(filled), at_once)]
    return np.concatenate([np.zeros((0, columns), np.float32), *answers])[: len(crops)]


def nms(boxes, scores, photos, threshold, by_smaller=False):
    """Non-maximum suppression: select the boxes that no better box of the same photo overlaps too much.

    Args:
        boxes: (n, 4) float. scores: (n,) float, higher is better. photos: (n,) int >= 0, whose box each is.
        threshold: the intersection over union above which the worse box of a pair is dropped, even if the better one
            is dropped too.
        by_smaller: divide the intersection by the smaller box instead of the union.

    Returns:
        Indices of the boxes kept, by photo and then from the best to the worst.
    """
    order = np.lexsort((-scores, photos))
    counts = np.bincount(photos)
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[photos[order]]
    order, rank = order[rank < MOST_BOXES], rank[rank < MOST_BOXES]
    better, worse = _pairs(rank)
    boxes = boxes[order].astype(np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    first, second = boxes[better], boxes[worse]
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = areas[better] + areas[worse] - shared
    whole = np.minimum(areas[better], areas[worse]) if by_smaller else union
    kept = np.ones(len(order), bool)
    kept[worse[shared > threshold * whole]] = False
    return order[kept]


def _pairs(rank):
    """All pairs (better, worse) of positions within one photo, given each position's rank in its photo."""
    worse = np.repeat(np.arange(len(rank)), rank)
    start = np.repeat(np.cumsum(rank) - rank, rank)
    return worse - rank[worse] + np.arange(len(worse)) - start, worse


def square(boxes):
    """Grow the shorter side of each box about its centre to the length of the longer."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + sides / 2 - longest / 2
    return np.concatenate([corners, corners + longest], axis=1)


def shift(boxes, offsets):
    """Move the edges of each box by `offsets` (n, 4), given in widths and heights of the box."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.concatenate([sides, sides], axis=1)


def check_packages():
    """Check, in a tenth of a second, that the packages that detect faces are there; TensorFlow is not yet imported.

    Raises:
        ValueError: TensorFlow, mtcnn or OpenCV is missing or cannot be loaded, or Keras runs on another backend.
    """
    needs = "finding faces in photographs needs"
    for package, name in (("tensorflow", "TensorFlow"), ("mtcnn", "mtcnn")):
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"{needs} {name}: pip install {package}")
    if "keras" in sys.modules and (backend := sys.modules["keras"].backend.backend()) != "tensorflow":
        raise ValueError(f"KERAS_BACKEND={backend}: {needs} TensorFlow; set KERAS_BACKEND=tensorflow")
    try:
        import cv2  # noqa: F401
    except ImportError as error:  # on slim systems opencv-python finds no libGL.so.1; the headless package needs none
        reason = (str(error) or "no reason given").splitlines()[0]
        remedy = "pip install opencv-python-headless, or install the system package libgl1"
        if sys.platform == "win32":
            remedy = "install the Visual C++ redistributable, and on Windows N or KN the Media Feature Pack"
        raise ValueError(f"{needs} OpenCV, which cannot be imported ({reason}): {remedy}") from None


def _start_tensorflow(in_threads):
    """Import TensorFlow as Keras's backend and choose how it uses cores and GPUs, if it does not run yet."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    cli.import_keras()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # TensorFlow runs already, with the threads and memory it has taken
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        if in_threads and not gpus:
            tf.config.threading.set_intra_op_parallelism_threads(1)


_idle_networks = queue.SimpleQueue()


@contextlib.contextmanager
def _networks():
    """Borrow networks that no other thread uses: convolutions lock, so threads that share them would take turns."""
    try:
        networks = _idle_networks.get_nowait()
    except queue.Empty:
        networks = _compiled_networks()
    try:
        yield networks
    finally:
        _idle_networks.put(networks)


def _compiled_networks():
    """Compile P-Net, R-Net and O-Net as functions of uint8 pixels that return their outputs side by side, float32."""
    import tensorflow as tf
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    def normalised(pixels):
        return (tf.cast(pixels, tf.float32) - 127.5) / 128

    def crops_network(stage, side):
        model = stage().model
        signature = [tf.TensorSpec((None, side, side, 3), tf.uint8)]
        return tf.function(lambda pixels: tf.concat(model(normalised(pixels)), -1), input_signature=signature)

    network = StagePNet().model

    def p_net(pixels, extents):
        """Run layer by layer: the first pooling must not see what lies outside a photo's extent on its canvas."""
        maps = network.prelu1(network.conv1(normalised(pixels)))
        rows = tf.range(tf.shape(maps)[1]) < extents[:, :1] - 2
        columns = tf.range(tf.shape(maps)[2]) < extents[:, 1:] - 2
        inside = tf.cast(rows[:, :, None] & columns[:, None, :], tf.float32)
        maps = network.maxpool1(maps + (inside[..., None] - 1) * 1e9)
        maps = network.prelu3(network.conv3(network.prelu2(network.conv2(maps))))
        return tf.concat([network.conv4_1(maps), network.conv4_2(maps)], -1)

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((None, 2), tf.int32)]
    return tf.function(p_net, input_signature=signature), crops_network(StageRNet, 24), crops_network(StageONet, 48)
