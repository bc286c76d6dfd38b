"""Cutting images out of a photo: a face's box, a face aligned by landmarks, or the photo's centre. numpy and Pillow.

A face's box is stretched to the shape of the data set, as in the tutorials: the detector's boxes are a quarter taller
than wide, and so every face fills its image in the same way. Aligned faces keep their proportions, as in CelebA and
FFHQ: they are turned, scaled and shifted until the landmarks lie where `TEMPLATE` has them. Only this needs OpenCV.
"""

import numpy as np
from PIL import Image

# Where the landmarks lie in a square aligned image without margin, as shares of its side from the left and the top, in
# `detector.LANDMARKS`' order: so that brows and chin are inside, and the face is about as large as in its box.
TEMPLATE = np.array([[0.29, 0.37], [0.71, 0.37], [0.5, 0.58], [0.335, 0.77], [0.665, 0.77]])
MOST_DRAWN = 3  # aligned faces are drawn up to this many times as large and then reduced, against aliasing


def box_in_photo(box, size, margin=0.0):
    """Clamp a box to the photo and round it, as the mtcnn package does.

    Args:
        box: left, top, right, bottom; may extend beyond the photo.
        size: (height, width) of the photo.
        margin: how far each edge is first moved outwards, as a share of the box's width or height.

    Returns:
        (left, top, width, height) as int; width or height is 0 for a box outside the photo.
    """
    box = np.asarray(box, np.float64)
    grown = np.array([box[0] - box[2], box[1] - box[3], box[2] - box[0], box[3] - box[1]]) * margin
    last = np.array([size[1], size[0], size[1], size[0]]) - 1
    left, top, right, bottom = np.clip(box + grown, 0, last)
    return tuple(round(value) for value in (left, top, right - left, bottom - top))


def frontality(landmarks):
    """How directly a face looks at the camera: 1 with the nose midway between the eyes, 0 with it beyond one of them.

    Args:
        landmarks: (5, 2), in `detector.LANDMARKS`' order.

    Returns:
        The smaller of the nose's distances from the two eyes over the larger, measured along the line of the eyes.
    """
    left_eye, right_eye, nose = landmarks[:3]
    line = right_eye - left_eye
    to_left, to_right = (nose - left_eye) @ line, (right_eye - nose) @ line
    smaller, larger = min(to_left, to_right), max(to_left, to_right)
    return float(smaller / larger) if smaller > 0 else 0.0


def alignment(landmarks, shape, margin=0.0):
    """Compute the similarity transform that brings landmarks to the template with the least squared error.

    This is Umeyama 1991 in the plane, where multiplying by a complex number turns and scales, and never mirrors.

    Args:
        landmarks: (5, 2) in pixels of the photo; the detector gives a pixel's centre as whole numbers.
        shape: (height, width) of the image; the template fits its shorter side, centred.
        margin: how much more to show on each side, as a share of the template's side.

    Returns:
        (2, 3), the inverse: `result @ (x, y, 1)` is the place in the photo of a point of the image, whose corners are
        (0, 0) and (width, height).
    """
    centre = np.array([shape[1], shape[0]]) / 2
    template = centre + (TEMPLATE - 0.5) * min(shape) / (1 + 2 * margin)
    start, goal = landmarks.mean(axis=0), template.mean(axis=0)
    points, goals = (landmarks - start) @ [1, 1j], (template - goal) @ [1, 1j]
    fit = np.vdot(points, goals)
    is_face = abs(fit) > 0.1 * np.linalg.norm(points) * np.linalg.norm(goals)  # otherwise there is no telling its size
    back = np.vdot(points, points).real / fit if is_face else 1.0 + 0.0j
    linear = np.array([[back.real, -back.imag], [back.imag, back.real]])
    return np.column_stack([linear, start - linear @ goal])


def detail(face, size, shape, *, margin=0.0, align=False):
    """How many pixels of the photo lie along one pixel of a face's image; fewer than 1 if the image is enlarged.

    Args:
        face, shape, margin, align: as in `cut_face`. size: (height, width) of the photo.

    Returns:
        The number, for a box the smaller of those across and down.
    """
    if align:
        return float(np.hypot(*alignment(face.landmarks, shape, margin)[:, 0]))
    _, _, width, height = box_in_photo(face.box, size, margin)
    return min(height / shape[0], width / shape[1])


def share_inside(landmarks, size, shape, margin=0.0):
    """The share, 0..1, of the pixels of an aligned face's image that lie inside a photo of `size` (height, width)."""
    rows, columns = np.indices(shape).reshape(2, -1) + 0.5
    x, y = alignment(landmarks, shape, margin) @ [columns, rows, np.ones(rows.size)] + 0.5
    return float(np.mean((x >= 0) & (x <= size[1]) & (y >= 0) & (y <= size[0])))


def cut_face(pixels, face, shape, margin=0.0, align=False):
    """Cut a face out of a photo.

    Args:
        pixels: uint8 (height, width, 3). face: a `detector.Face`.
        shape: (height, width) of the result.
        margin: as in `box_in_photo`, or in `alignment` if the face is aligned.
        align: bring the landmarks to the template; outside the photo its reflection is shown.

    Returns:
        uint8 (*shape, 3).
    """
    if align:
        return _aligned(pixels, alignment(face.landmarks, shape, margin), shape)
    left, top, width, height = box_in_photo(face.box, pixels.shape[:2], margin)
    return resize(pixels[top : top + max(height, 1), left : left + max(width, 1)], shape)


def _aligned(pixels, to_photo, shape):
    """Draw the image whose points `to_photo`, see `alignment`, places in the photo; averages where it shrinks."""
    import cv2

    height, width = shape
    along = np.hypot(*to_photo[:, 0])  # pixels of the photo along one of the image
    times = int(np.clip(np.ceil(along), 1, MOST_DRAWN))
    shrink = max(1, along / times)
    corners = to_photo @ [[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]]
    low, high = _part_shown(corners.min(axis=1), corners.max(axis=1), pixels.shape[1::-1], reach=6 * shrink)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    part = resize(part, [max(1, round(side / shrink)) for side in part.shape[:2]])
    ratio = np.array(part.shape[1::-1]) / (high - low)
    linear = to_photo[:, :2] * ratio[:, None] / times
    start = (to_photo[:, 2] + 0.5 - low) * ratio - 0.5 + linear @ [0.5, 0.5]
    # Reflected here and not by warpAffine, which in OpenCV 5 reflects only once and hangs on a side of one pixel.
    corners = (corners + 0.5 - low[:, None]) * ratio[:, None]
    left, top = np.maximum(np.ceil(2 - corners.min(axis=1)), 0).astype(int)
    right, bottom = np.maximum(np.ceil(corners.max(axis=1) + 2 - part.shape[1::-1]), 0).astype(int)
    border = cv2.BORDER_REFLECT_101 if shrink < 2 else cv2.BORDER_REFLECT  # nearest to 101 before the reduction
    drawn = cv2.warpAffine(
        cv2.copyMakeBorder(part, top, bottom, left, right, border),
        np.column_stack([linear, start + np.array([left, top])]),
        (times * width, times * height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return resize(drawn, shape)


def _part_shown(low, high, size, reach):
    """The part of a photo that a rectangle shows where the photo is continued by its reflections.

    Args:
        low, high: the rectangle's corners, x and y. size: (width, height) of the photo.
        reach: how far the rectangle is first grown.

    Returns:
        (low, high), int: reflecting this part shows the same in the rectangle as reflecting the whole photo.
    """
    size = np.array(size)
    low, high = np.floor(low - reach), np.ceil(high + reach)
    first = np.clip(np.minimum(low, 2 * size - high), 0, size - 1)
    return first.astype(int), np.clip(np.maximum(high, -low), first + 1, size).astype(int)


def cut_centre(pixels, shape):
    """Cut the largest centred rectangle with the proportions of `shape` (height, width); returns uint8 (*shape, 3)."""
    height, width = pixels.shape[:2]
    scale = min(height / shape[0], width / shape[1])
    part = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    top, left = (height - part[0]) // 2, (width - part[1]) // 2
    return resize(pixels[top : top + part[0], left : left + part[1]], shape)


def resize(pixels, shape):
    """Resize uint8 (height, width, 3) to `shape` (height, width), averaging pixels when it shrinks."""
    return np.asarray(Image.fromarray(pixels).resize(shape[::-1], Image.Resampling.LANCZOS))


def to_grey(pixels):
    """Convert uint8 (height, width, 3) to (height, width, 1)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
