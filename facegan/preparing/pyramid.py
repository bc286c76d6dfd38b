"""A photo at decreasing sizes, as P-Net sees it, and squares sampled from it. numpy and OpenCV.

Each level is placed on a canvas whose size depends on the photo's shape alone, so that photos can be stacked without
the result for one depending on the others. OpenCV is imported only when a pyramid is built.
"""

import math

import numpy as np

CELL = 12  # side of what one cell of P-Net sees, in pixels of its level
SMALLEST = 20  # the smallest face that the package looks for, in pixels of the photo
BETWEEN = 0.9
STEP = 0.709  # ratio of successive levels' scales, the package's; areas halve
CANVAS_STEP = 8  # canvases are multiples of it, so that photos of many shapes share few canvases
TURNED_SIDE = 192  # turned photos are reduced until the shorter side is below twice this
GREY = (128, 128, 128)  # outside the photo
LARGEST_SHORT_SIDE = 1024  # photos are reduced until the shorter side is below twice this


class Pyramid:
    """One photo's levels.

    Args:
        photo: uint8 (height, width, 3).
        division: the smallest faces to be found, as a divisor of the photo's shorter side: 3 means a third of it.
        shrink_to: reduce the photo first by the whole factor that leaves its shorter side at least this long.
        between: take scales that lie between the usual ones, for a second attempt.
        beyond: leave out the levels of a pyramid with this division, which was searched before.

    Attributes:
        photo: as given.
        image: the reduced photo that levels and squares are taken from, uint8.
        factor: pixels of `photo` per pixel of `image`.
        levels: uint8 arrays of decreasing size, none for a photo with a side of fewer than 20 pixels.
        scales: pixels of a level per pixel of `image`.
        canvas: (levels, height, width): number of levels and the size of the first one's canvas. Photos with equal
            canvases can be stacked.
    """

    def __init__(self, photo, division, shrink_to=LARGEST_SHORT_SIDE, between=False, beyond=None):
        self.photo = photo
        self.factor = max(1, min(photo.shape[:2]) // shrink_to)
        height, width = (side // self.factor for side in photo.shape[:2])
        self.image = photo if self.factor == 1 else _shrink(photo, (height, width))
        self.scales = _scales(min(height, width), division, beyond, BETWEEN if between else 1)
        shapes = [(int(height * scale), int(width * scale)) for scale in self.scales]
        self.levels = [_shrink(self.image, shape) for shape in shapes]
        largest = shapes[0] if shapes else (0, 0)
        self.canvas = (len(shapes), *(math.ceil(side / CANVAS_STEP) * CANVAS_STEP for side in largest))

    def squares(self, boxes, size):
        """Sample squares of the photo: boxes (n, 4) in pixels of `image` to uint8 (n, size, size, 3).

        Pixels are interpolated, not averaged, and the first and last samples lie where the package has them, because
        the networks were trained so. Outside the photo all is grey.
        """
        import cv2

        height, width = self.image.shape[:2]
        steps = np.arange(size, dtype=np.float32) / (size - 1)
        boxes = boxes.astype(np.float32)
        columns = (boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps) * ((width - 1) / width)
        rows = (boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * steps) * ((height - 1) / height)
        shape = (len(boxes), size, size)
        x = np.ascontiguousarray(np.broadcast_to(columns[:, None], shape).reshape(-1, size), np.float32)
        y = np.ascontiguousarray(np.broadcast_to(rows[:, :, None], shape).reshape(-1, size), np.float32)
        border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": GREY}
        return cv2.remap(self.image, x, y, cv2.INTER_LINEAR, **border).reshape(*shape, 3)


def turned(photo, division, degrees):
    """Build the pyramid of a photo that is turned, clockwise, on a grey ground on which all of it has room.

    It is reduced first: a big face then still has more pixels than the networks look at.

    Args:
        photo, division: as for `Pyramid`, the division of the shorter side before the turn.

    Returns:
        (pyramid, back): `back` (2, 3) is the affine transform from the turned photo to the photo.
    """
    import cv2

    factor = max(1, min(photo.shape[:2]) // TURNED_SIDE)
    height, width = (side // factor for side in photo.shape[:2])
    angle = np.radians(degrees)
    cosine, sine = np.round([np.cos(angle), np.sin(angle)], 12)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    size = np.ceil(np.abs(linear) @ [width, height]).astype(int)
    shift = (size - 1) / 2 - linear @ [(width - 1) / 2, (height - 1) / 2]
    image = photo if factor == 1 else _shrink(photo, (height, width))
    image = cv2.warpAffine(
        image, np.column_stack([linear, shift]), tuple(map(int, size)), borderMode=cv2.BORDER_CONSTANT, borderValue=GREY
    )
    back = factor * np.column_stack([linear.T, -linear.T @ shift])
    back[:, 2] += (factor - 1) / 2  # a pixel's centre is a whole number
    return Pyramid(image, division * min(size) / min(height, width)), back


def _shrink(pixels, shape):
    """Resize to `shape` (height, width) by averaging."""
    import cv2

    return cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_AREA)


def _scales(side, division, beyond, factor):
    """The package's scales, times `factor`, for this shorter side: for faces from side / division to side / beyond."""
    scales = factor * CELL / SMALLEST * STEP ** np.arange(40)
    scales = scales[np.floor(side * scales) >= CELL]

    def first(division):
        return np.flatnonzero(CELL / scales <= max(side / division, SMALLEST)).max(initial=0)

    return scales[first(division) : first(beyond) if beyond else None]


def canvas_shape(canvas, level):
    """Height and width of a level's canvas; levels keep proportion, rounded up so that no photo exceeds them."""
    return tuple(math.ceil(side * STEP**level) + 1 for side in canvas[1:])


def cells(extent):
    """How many cells of P-Net, two pixels apart, see a level of this extent."""
    return (extent - 1) // 2 - 4
