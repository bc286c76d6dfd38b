"""A photo at falling sizes, as the first of the detector's networks looks at it, and squares cut out of it.

Every level is a constant canvas that depends on the photo's shape alone, so that photos can be stacked and none of
them sees what it is stacked with. numpy and OpenCV.
"""

import math

import cv2
import numpy as np

CELL = 12  # side of what one cell of P-Net sees, in pixels of its level
SMALLEST = 20  # the smallest face the package looks for, in pixels of the photo
BETWEEN = 0.9
STEP = 0.709  # of one level's scale to the next, the package's; its areas halve
CANVAS_STEP = 8  # canvases are multiples of this, so that photos of many shapes share few of them
LARGEST_SHORT_SIDE = 1024  # photos are halved until the shorter side is below twice this


class Pyramid:
    """One photo's levels.

    Args:
        pixels: uint8 (height, width, 3).
        division: faces from this part of the shorter side are looked for, 3 meaning a third.
        shrink_to: reduce the photo first by the whole factor that leaves its shorter side at least this long.
        between: take sizes that lie between the usual ones, for a second try.

    Attributes:
        image: the photo that levels and squares are cut from, uint8.
        factor: pixels of `pixels` per pixel of `image`.
        levels: uint8 arrays of falling size, none for a photo of fewer than 20 pixels.
        scales: pixels of a level per pixel of `image`.
        canvas: (levels, height, width): photos with the same canvas can be stacked; the size of the first level's.
    """

    def __init__(self, pixels, division, shrink_to=LARGEST_SHORT_SIDE, between=False):
        self.factor = max(1, min(pixels.shape[:2]) // shrink_to)
        self.image = pixels if self.factor == 1 else _reduce(pixels, self.factor)
        height, width = self.image.shape[:2]
        self.scales = _scales(min(height, width), division, BETWEEN if between else 1)
        shapes = [(int(height * scale), int(width * scale)) for scale in self.scales]
        self.levels = [cv2.resize(self.image, shape[::-1], interpolation=cv2.INTER_AREA) for shape in shapes]
        largest = shapes[0] if shapes else (0, 0)
        self.canvas = (len(shapes), *(math.ceil(side / CANVAS_STEP) * CANVAS_STEP for side in largest))

    def squares(self, boxes, size):
        """Sample squares of the photo: boxes (n, 4) in pixels of `image` to uint8 (n, size, size, 3).

        Points between pixels are interpolated and not averaged, with the first and last sample where the package has
        them: the networks were trained so. Beyond the photo all is grey.
        """
        height, width = self.image.shape[:2]
        steps = np.arange(size, dtype=np.float32) / (size - 1)
        boxes = boxes.astype(np.float32)
        columns = (boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps) * ((width - 1) / width)
        rows = (boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * steps) * ((height - 1) / height)
        shape = (len(boxes), size, size)
        x = np.broadcast_to(columns[:, None], shape).reshape(-1, size)
        y = np.broadcast_to(rows[:, :, None], shape).reshape(-1, size)
        return cv2.remap(
            self.image,
            np.ascontiguousarray(x, np.float32),
            np.ascontiguousarray(y, np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(128, 128, 128),
        ).reshape(*shape, 3)


def _reduce(pixels, factor):
    size = (pixels.shape[1] // factor, pixels.shape[0] // factor)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _scales(side, division, factor):
    """The package's scales, times `factor`, for this shorter side, without those for faces below side / division."""
    scales = factor * CELL / SMALLEST * STEP ** np.arange(40)
    scales = scales[np.floor(side * scales) >= CELL]
    first = np.flatnonzero(CELL / scales <= max(side / division, SMALLEST))
    return scales[first.max(initial=0) :]


def canvas_shape(canvas, level):
    """Height and width of a level's canvas; levels keep proportion, rounded up so that no photo exceeds them."""
    return tuple(math.ceil(side * STEP**level) + 1 for side in canvas[1:])


def cells(extent):
    """How many cells of P-Net, two pixels apart, see a level of this extent."""
    return (extent - 1) // 2 - 4
