"""What is cut out of a photo: a face's box, set upright if wished, or the photo's centre. numpy, Pillow, OpenCV.

A face's box is stretched to the shape of the data set, as the tutorials do it: the detector's boxes are a quarter
taller than wide, and every face then fills its image in the same way. OpenCV is needed only to turn faces.
"""

import math

import numpy as np
from PIL import Image


def box_in_photo(box, size, margin=0.0):
    """Clamp a box to the photo and round it, as the mtcnn package does it.

    Args:
        box: left, top, right, bottom; may reach beyond the photo.
        size: (height, width) of the photo.
        margin: share of the box's sides by which each side is moved outwards before.

    Returns:
        (left, top, width, height) as int; width or height is 0 for a box beside the photo.
    """
    box = np.asarray(box, np.float64)
    grown = np.array([box[0] - box[2], box[1] - box[3], box[2] - box[0], box[3] - box[1]]) * margin
    last = np.array([size[1], size[0], size[1], size[0]]) - 1
    left, top, right, bottom = np.clip(box + grown, 0, last)
    return tuple(round(value) for value in (left, top, right - left, bottom - top))


def frontality(landmarks):
    """How squarely a face looks at the camera: 1 with the nose midway between the eyes, 0 beside one of them.

    Args:
        landmarks: (5, 2), in `detector.LANDMARKS`' order.

    Returns:
        The smaller over the larger of the nose's distances from both eyes, measured along the line of the eyes.
    """
    left_eye, right_eye, nose = landmarks[:3]
    line = right_eye - left_eye
    to_left, to_right = (nose - left_eye) @ line, (right_eye - nose) @ line
    smaller, larger = min(to_left, to_right), max(to_left, to_right)
    return float(smaller / larger) if smaller > 0 else 0.0


def cut_face(pixels, face, shape, margin=0.0, align=False):
    """Cut a face out of a photo.

    Args:
        pixels: uint8 (height, width, 3). face: a `detector.Face`.
        shape: (height, width) of the result. margin: as in `box_in_photo`.
        align: turn the photo about the middle of the face's box so that the eyes are level.

    Returns:
        uint8 (*shape, 3).
    """
    left, top, width, height = box_in_photo(face.box, pixels.shape[:2], margin)
    if align:
        return resize(_turned(pixels, face, margin), shape)
    return resize(pixels[top : top + max(height, 1), left : left + max(width, 1)], shape)


def _turned(pixels, face, margin):
    """The face's box in the photo turned about the box's middle; beyond the photo its edge is repeated."""
    import cv2

    corners = np.asarray(face.box, np.float64).reshape(2, 2)
    middle = corners.mean(axis=0)
    width, height = np.maximum((corners[1] - corners[0]) * (1 + 2 * margin), 1)
    reach = math.ceil(math.hypot(width, height) / 2) + 2
    low = np.clip(np.floor(middle) - reach, 0, np.array(pixels.shape[1::-1]) - 1).astype(int)
    high = np.maximum(np.ceil(middle).astype(int) + reach, low + 1)
    across, down = face.landmarks[1] - face.landmarks[0]
    cosine, sine = np.array([across, down]) / (math.hypot(across, down) or 1)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    start = middle - low - turn @ [(width - 1) / 2, (height - 1) / 2]
    return cv2.warpAffine(
        pixels[low[1] : high[1], low[0] : high[0]],
        np.column_stack([turn, start]),
        (round(width), round(height)),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def cut_centre(pixels, shape):
    """The largest centred rectangle of the proportions of `shape` (height, width), resized to it: uint8 (*shape, 3)."""
    height, width = pixels.shape[:2]
    scale = min(height / shape[0], width / shape[1])
    part = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    top, left = (height - part[0]) // 2, (width - part[1]) // 2
    return resize(pixels[top : top + part[0], left : left + part[1]], shape)


def resize(pixels, shape):
    """Resize uint8 (height, width, 3) to `shape`, averaging where it shrinks."""
    return np.asarray(Image.fromarray(pixels).resize(shape[::-1], Image.Resampling.LANCZOS))


def to_grey(pixels):
    """Turn uint8 (height, width, 3) into (height, width, 1)."""
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
