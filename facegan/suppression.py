"""Boxes (n, 4) as left, top, right, bottom: squared, and thinned out where several mark one face. numpy only.

Rules and rounding are those of the mtcnn package, after Zhang et al. 2016, section II; here all photos of a batch are
treated in one go, each with its own boxes only.
"""

import numpy as np

MOST_BOXES = 600  # per photo; suppression looks at pairs, and a picture of foliage may bring thousands of boxes


def suppress(boxes, scores, photos, threshold, by_smaller=False):
    """Find the boxes that no better box of the same photo overlaps too much.

    Args:
        boxes: (n, 4) float. scores: (n,) float, higher is better. photos: (n,) int >= 0, whose box each is.
        threshold: the intersection over union from which the worse box of a pair goes, even when the better one
            goes too.
        by_smaller: divide the intersection by the smaller box instead of the union.

    Returns:
        Indices of the boxes that stay, by photo and then from the best to the worst.
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
    stays = np.ones(len(order), bool)
    stays[worse[shared > threshold * whole]] = False
    return order[stays]


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
