"""How far apart two sets of feature vectors are, and how diverse one is. numpy only, and independent of images.

Every figure depends on the sizes of the sets: compare only figures of equal sizes.
"""

import numpy as np

NEIGHBOURS = 5
SMALLEST = 0.01  # a distance at one of several places below it counts as this one: it must have a logarithm
BLOCK = 1_024  # rows of a distance matrix in memory at once: 5,000 x 5,000 float64 would be 200 MB


def frechet_distance(features_a, features_b):
    """The Fréchet distance between the normal distributions fitted to two sets (Heusel et al. 2017, the FID's formula).

    Args:
        features_a, features_b: (n, d) and (m, d) floats; n and m may differ. The distance is biased upwards, more so
            with fewer rows: it is 0 only for equal sets.

    Returns:
        |mean_a − mean_b|² + trace(C_a + C_b − 2 (C_a C_b)^½) as a float, in squared units of the features.

    Raises:
        ValueError: fewer than two rows, or different numbers of columns.
    """
    features_a, features_b = _checked(features_a, features_b)
    # The trace of a matrix's square root is the sum of the roots of its eigenvalues. Those of C_a C_b are also those of
    # the symmetric R' C_b R where R R' = C_a, which takes two thirds of the time and no complex numbers.
    values, vectors = np.linalg.eigh(_covariance(features_a))
    root = vectors * np.sqrt(np.clip(values, 0, None))
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root.T @ _covariance(features_b) @ root), 0, None)).sum()
    shift = features_a.mean(0) - features_b.mean(0)
    variances = features_a.var(0, ddof=1).sum() + features_b.var(0, ddof=1).sum()
    return max(0.0, float(shift @ shift + variances - 2 * shared))


def local_distance(features_a, features_b):
    """The geometric mean, over the places of images, of the Fréchet distances of whitened features (n, places, d).

    A fault at one place, such as the seam between two halves, counts there and nowhere else. Distances are those of
    features of about unit variance, so that one of 0.01 is nothing.
    """
    pairs = zip(np.moveaxis(features_a, 1, 0), np.moveaxis(features_b, 1, 0), strict=True)
    found = np.array([frechet_distance(*pair) for pair in pairs])
    return float(np.exp(np.log(np.maximum(found, SMALLEST)).mean()))


def kernel_distance(features_a, features_b, deviations=2.58):
    """The kernel distance (KID, Bińkowski et al. 2018): unbiased, so it may be negative for similar sets.

    Args:
        features_a, features_b: (n, d) and (m, d) floats, at least 2 rows each.
        deviations: half the width of the interval in standard deviations. 1.96 would do if these were known;
            estimated from a thousand faces they scatter, and 1.96 covered 92 of 100 draws (benchmarks/quality.py).

    Returns:
        (estimate, low, high): the squared maximum mean discrepancy with the kernel (x·y / d + 1)³, and the interval
        that contains 95 of 100 estimates from other draws of two sets of these sizes. It contains the value that the
        estimates scatter around more often still. The variance comes from each row's own share in the estimate, which
        makes the interval rather too wide for sets that are nearly equal.
    """
    features_a, features_b = _checked(features_a, features_b)
    own_a, own_b = _own_kernel_means(features_a), _own_kernel_means(features_b)
    cross_a, cross_b = _kernel_means(features_a, features_b), _kernel_means(features_b, features_a)
    estimate = float(own_a.mean() + own_b.mean() - 2 * cross_a.mean())
    variance = 4 * (np.var(own_a - cross_a, ddof=1) / len(own_a) + np.var(own_b - cross_b, ddof=1) / len(own_b))
    half = deviations * float(np.sqrt(2 * variance))  # this draw and the other one both scatter
    return estimate, estimate - half, estimate + half


def nearest_neighbour_diversity(features, reference):
    """How far generated images are from the most similar other one, relative to real images.

    Args:
        features, reference: (n, d) generated and (m, d) real; both are cut to the smaller number of rows, because
            neighbours move closer as rows are added.

    Returns:
        The mean distance from a row to the nearest other row of its own set, divided by the reference's: 0 for copies
        of one another, about 1 for images as diverse as real ones.
    """
    features, reference = _checked(features, reference)
    count = min(len(features), len(reference))
    own = nearest(features[:count], features[:count], 1, exclude_self=True)[1].mean()
    real = nearest(reference[:count], reference[:count], 1, exclude_self=True)[1].mean()
    return float(own / real) if real else 0.0


def coverage(features, reference):
    """The share of real images that have a generated one in their neighbourhood (Naeem et al. 2020).

    Args:
        features, reference: (n, d) generated and (m, d) real; both are cut to the smaller number of rows.

    Returns:
        0..1, about 0.97 for two sets of real faces, near 0 for a generator that repeats a few faces or draws none.
    """
    features, reference = _checked(features, reference)
    count = min(len(features), len(reference))
    features, reference = features[:count], reference[:count]
    radius = nearest(reference, reference, NEIGHBOURS, exclude_self=True)[1][:, -1]
    return float((nearest(reference, features, 1)[1][:, 0] <= radius).mean())


def nearest(features, among, count=1, exclude_self=False):
    """The rows of `among` closest to each row of `features`.

    Args:
        features, among: (n, d) and (m, d) floats.
        count: how many neighbours.
        exclude_self: `features` are the rows of `among`, and a row is not its own neighbour.

    Returns:
        (rows, distances), each (n, count), nearest first; the distances are Euclidean.
    """
    features, among = np.asarray(features, np.float64), np.asarray(among, np.float64)
    count = min(count, len(among) - exclude_self)
    squares = (among**2).sum(1)
    rows, distances = np.empty((len(features), count), np.int64), np.empty((len(features), count))
    for start in range(0, len(features), BLOCK):
        block = features[start : start + BLOCK]
        gaps = (block**2).sum(1)[:, None] + squares - 2 * block @ among.T
        if exclude_self:
            gaps[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        found = np.argpartition(gaps, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(gaps, found, 1), axis=1)
        rows[start : start + len(block)] = found = np.take_along_axis(found, order, 1)
        # The expanded square above loses small distances to rounding.
        distances[start : start + len(block)] = np.linalg.norm(block[:, None] - among[found], axis=-1)
    return rows, distances


def _checked(features_a, features_b):
    features_a, features_b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    for features in (features_a, features_b):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(f"features must be two or more rows, not an array of shape {features.shape}")
    if features_a.shape[1] != features_b.shape[1]:
        raise ValueError(f"features of {features_a.shape[1]} and of {features_b.shape[1]} columns cannot be compared")
    return features_a, features_b


def _covariance(features):
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def _kernel(features_a, features_b):
    return (features_a @ features_b.T / features_a.shape[1] + 1) ** 3


def _kernel_means(features_a, features_b):
    """(n,): the mean kernel of each row of a with all rows of b."""
    blocks = range(0, len(features_a), BLOCK)
    return np.concatenate([_kernel(features_a[k : k + BLOCK], features_b).mean(1) for k in blocks])


def _own_kernel_means(features):
    """(n,): the mean kernel of each row with the other rows."""
    count, columns = features.shape
    itself = ((features**2).sum(1) / columns + 1) ** 3
    return (_kernel_means(features, features) * count - itself) / (count - 1)
