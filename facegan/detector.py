"""Faces found in photographs, many at a time, with the networks and the weights of the mtcnn package.

The cascade is that of Zhang et al. 2016: P-Net proposes squares over a pyramid of sizes, R-Net thins them out, O-Net
gives the boxes, confidences and five landmarks. What differs from the package is how it runs: each network is compiled
and always sees the same shapes, whatever photos come together, so that a photo has the same faces to the last bit alone
or among others; the pyramid starts at the faces worth finding, and goes down to small ones, then to sizes between the
levels, only where it found none.
"""

import contextlib
import dataclasses
import importlib.util
import os
import queue
import sys

import numpy as np

from facegan import commands, pyramid
from facegan.suppression import shift, square, suppress

BIG, SMALL = 3, 12  # faces are sought from a third of the shorter side, then from a twelfth
FAST_BIG, FAST_SIDE = 2.2, 89  # with `fast`: from nearly half, on a photo reduced to at least so short a side
PROPOSED, REFINED, ACCEPTED = 0.6, 0.7, 0.8  # the package's thresholds of the three networks
PHOTOS_AT_ONCE, CANVASES_AREA = 16, 480_000  # fewer photos where their canvases have more pixels in all
CROPS_AT_ONCE = {"R-Net": 128, "O-Net": 16}
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@dataclasses.dataclass(frozen=True)
class Face:
    """A face found.

    Attributes:
        box: (4,) left, top, right, bottom in pixels of the photo, not rounded; it may reach beyond the photo.
        confidence: O-Net's probability that this is a face.
        landmarks: (5, 2) x and y of `LANDMARKS`; left is the left of the picture.
    """

    box: np.ndarray
    confidence: float
    landmarks: np.ndarray

    def scaled(self, x, y):
        """The same face where the photo's width is `x` times and its height `y` times as large."""
        return Face(self.box * [x, y, x, y], self.confidence, self.landmarks * [x, y])


class Detector:
    """Finds faces.

    Args:
        every_face: look for small faces in every photo, not only where there is no big one.
        smallest: look for faces from this many pixels where that is less than a twelfth of the shorter side.
        fast: look for big faces in a smaller version of the photo; boxes are a little less exact.

    A GPU is used where TensorFlow sees one.
    """

    def __init__(self, every_face=False, smallest=None, fast=False):
        self.every_face, self.smallest, self.fast = every_face, smallest, fast

    def find(self, photos):
        """Find the faces of photos, a list of uint8 (height, width, 3); returns a list of `Face` for each.

        A photo's faces are ordered from the most confident to the least.
        """
        return self.search([self.look(photo) for photo in photos])

    def look(self, photo):
        """Prepare a photo for `search`; this half of the work needs no TensorFlow and may run in a thread."""
        return photo, self._first_pyramid(photo)

    @staticmethod
    def likeness(look):
        """A sort key: prepared photos of equal keys are searched fastest together."""
        return look[1].canvas

    def search(self, looks):
        """Find the faces of photos prepared by `look`; as `find`."""
        with _networks() as networks:
            return self._search(networks, looks)

    def _search(self, networks, looks):
        faces = _cascade(networks, [first for _, first in looks])
        for between in () if self.every_face else (False, True):
            missed = [k for k, found in enumerate(faces) if not found]
            again = _cascade(networks, [self._full_pyramid(looks[k][0], between) for k in missed])
            for k, found in zip(missed, again, strict=True):
                faces[k] = found
        return faces

    def _first_pyramid(self, photo):
        if self.every_face:
            return self._full_pyramid(photo)
        if self.fast:
            return pyramid.Pyramid(photo, FAST_BIG, FAST_SIDE)
        return pyramid.Pyramid(photo, BIG)

    def _full_pyramid(self, photo, between=False):
        side = min(photo.shape[:2])
        if self.smallest is None or self.smallest * SMALL >= side:
            return pyramid.Pyramid(photo, SMALL, between=between)
        finest = pyramid.LARGEST_SHORT_SIDE * max(1, pyramid.SMALLEST // self.smallest)
        return pyramid.Pyramid(photo, side / self.smallest, finest, between)


def _cascade(networks, pyramids):
    """Run the three networks; returns a list of faces for each pyramid."""
    p_net, r_net, o_net = networks
    boxes, photos = _propose(p_net, pyramids)
    answers = _batched(r_net, _squares(pyramids, boxes, photos, 24), CROPS_AT_ONCE["R-Net"], 6)
    good = answers[:, 5] > REFINED
    boxes, scores, photos = shift(boxes, answers[:, :4])[good], answers[good, 5], photos[good]
    stays = suppress(boxes, scores, photos, 0.7)
    boxes, photos = square(boxes[stays]), photos[stays]
    answers = _batched(o_net, _squares(pyramids, boxes, photos, 48), CROPS_AT_ONCE["O-Net"], 16)
    landmarks = _landmarks(boxes, answers[:, 4:14])
    good = answers[:, 15] > ACCEPTED
    boxes, scores, photos = shift(boxes, answers[:, :4])[good], answers[good, 15], photos[good]
    stays = suppress(boxes, scores, photos, 0.7, by_smaller=True)
    faces = [[] for _ in pyramids]
    for box, score, marks, k in zip(boxes[stays], scores[stays], landmarks[good][stays], photos[stays], strict=True):
        factor = pyramids[k].factor
        faces[k].append(Face(box, float(score), marks).scaled(factor, factor))
    return faces


def _propose(p_net, pyramids):
    """P-Net over all levels: squares worth a closer look, (n, 4), and the photo of each, (n,), sorted by photo."""
    groups = {}
    for k, levels in enumerate(pyramids):
        groups.setdefault(levels.canvas, []).append(k)
    found = [(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))]
    for canvas, members in groups.items():
        for level in range(canvas[0]):
            found += _propose_level(p_net, pyramids, canvas, level, members)
    boxes, scores, photos = (np.concatenate(parts) for parts in zip(*found, strict=True))
    stays = suppress(boxes, scores, photos, 0.7)
    return square(boxes[stays]), photos[stays]


def _propose_level(p_net, pyramids, canvas, level, members):
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
        stays = suppress(boxes, scores, places, 0.5)
        yield boxes[stays], scores[stays], batch[places[stays]]


def _cells_to_boxes(answers, limits, scales):
    """Turn P-Net's cells (n, rows, columns, 6) above the threshold into boxes of the photo, scores and places.

    `limits` (n, 2) says how many rows and columns lie in the photo. The package counts pixels of a level from 1.
    """
    places, rows, columns = np.nonzero(answers[..., 5] > PROPOSED)
    inside = (rows < limits[places, 0]) & (columns < limits[places, 1])
    places, rows, columns = places[inside], rows[inside], columns[inside]
    chosen = answers[places, rows, columns]
    corners = 2.0 * np.stack([columns, rows, columns, rows], axis=1) + [1, 1, pyramid.CELL, pyramid.CELL]
    boxes = (corners + chosen[:, :4] * (pyramid.CELL - 1)) / scales[places, None]
    return boxes, chosen[:, 5], places


def _squares(pyramids, boxes, photos, size):
    """The squares of all photos, uint8 (n, size, size, 3); boxes are sorted by photo."""
    edges = np.searchsorted(photos, np.arange(len(pyramids) + 1))
    parts = [
        levels.squares(boxes[low:high], size)
        for levels, low, high in zip(pyramids, edges[:-1], edges[1:], strict=True)
        if high > low
    ]
    return np.concatenate(parts) if parts else np.zeros((0, size, size, 3), np.uint8)


def _landmarks(boxes, offsets):
    """O-Net's five x and five y, in widths and heights of the square it saw, as (n, 5, 2) pixels of the photo."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    points = np.stack([offsets[:, :5], offsets[:, 5:]], axis=2)
    return points * sides[:, None] + boxes[:, None, :2] - 1


def _batched(network, crops, at_once, columns):
    """Run a network over crops in batches of one shape, the last filled up; returns (n, columns)."""
    missing = -len(crops) % at_once
    filled = np.concatenate([crops, np.zeros((missing, *crops.shape[1:]), np.uint8)])
    answers = [network(filled[start : start + at_once]).numpy() for start in range(0, len(filled), at_once)]
    return np.concatenate([np.zeros((0, columns), np.float32), *answers])[: len(crops)]


def work_in_threads():
    """Let several threads call detectors at once, each network on one core: half the time of a network on all cores.

    To be called before TensorFlow starts; afterwards, and where there is a GPU, it changes nothing.
    """
    need_tensorflow()
    commands.import_keras()
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)


def need_tensorflow():
    """Choose TensorFlow as Keras's backend, or raise UserError where it is missing or another one already runs."""
    if importlib.util.find_spec("tensorflow") is None:
        raise commands.UserError("finding faces in photographs needs TensorFlow: pip install tensorflow")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif (backend := sys.modules["keras"].backend.backend()) != "tensorflow":
        raise commands.UserError(
            f"KERAS_BACKEND={backend}: finding faces in photographs needs TensorFlow; set KERAS_BACKEND=tensorflow"
        )


_idle_networks = queue.SimpleQueue()


@contextlib.contextmanager
def _networks():
    """Borrow networks that no other thread uses: TensorFlow's convolutions lock, sharing threads would take turns."""
    try:
        networks = _idle_networks.get_nowait()
    except queue.Empty:
        networks = _compiled_networks()
    try:
        yield networks
    finally:
        _idle_networks.put(networks)


def _compiled_networks():
    """P-Net, R-Net and O-Net: uint8 pixels to their outputs side by side, float32."""
    need_tensorflow()
    commands.import_keras()
    import tensorflow as tf
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    for device in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(device, True)
        except RuntimeError:
            break  # TensorFlow runs already, with the memory it has taken

    def normalised(pixels):
        return (tf.cast(pixels, tf.float32) - 127.5) / 128

    def crops_network(stage, side):
        model = stage().model
        signature = [tf.TensorSpec((None, side, side, 3), tf.uint8)]
        return tf.function(lambda pixels: tf.concat(model(normalised(pixels)), -1), input_signature=signature)

    network = StagePNet().model

    def p_net(pixels, extents):
        """Layer by layer: the first pooling must not see what lies beyond a photo's extent on its canvas."""
        maps = network.prelu1(network.conv1(normalised(pixels)))
        rows = tf.range(tf.shape(maps)[1]) < extents[:, :1] - 2
        columns = tf.range(tf.shape(maps)[2]) < extents[:, 1:] - 2
        inside = tf.cast(rows[:, :, None] & columns[:, None, :], tf.float32)
        maps = network.maxpool1(maps + (inside[..., None] - 1) * 1e9)
        maps = network.prelu3(network.conv3(network.prelu2(network.conv2(maps))))
        return tf.concat([network.conv4_1(maps), network.conv4_2(maps)], -1)

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((None, 2), tf.int32)]
    return tf.function(p_net, input_signature=signature), crops_network(StageRNet, 24), crops_network(StageONet, 48)
