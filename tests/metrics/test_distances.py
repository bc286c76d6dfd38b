"""The distances against known values, and the kernel distance's interval against repeated draws."""

from facegan.metrics import distances

import numpy as np
import pytest


def normal(seed, count, scale=1.0, shift=0.0, columns=8):
    return np.random.RandomState(seed).normal(shift, scale, (count, columns))


def test_frechet_distance_of_a_set_to_itself_is_zero():
    assert distances.frechet_distance(normal(1, 500), normal(1, 500)) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_shifted_sets_is_the_squared_shift():
    features = normal(1, 500)
    assert distances.frechet_distance(features, features + 3) == pytest.approx(8 * 9)


def test_frechet_distance_of_stretched_sets_is_the_difference_of_their_deviations():
    features = normal(1, 500)
    stretch = np.arange(1, 9)
    expected = (features.std(0, ddof=1) * (stretch - 1)) ** 2
    # Exact only for sets whose columns do not vary together.
    features = np.linalg.qr(features - features.mean(0))[0] * features.std(0, ddof=1) * np.sqrt(499)
    assert distances.frechet_distance(features, features * stretch) == pytest.approx(expected.sum(), rel=1e-3)


def test_frechet_distance_sees_columns_that_vary_together():
    one = normal(1, 4000, columns=1)
    together, apart = np.hstack([one, one]), normal(2, 4000, columns=2)
    assert distances.frechet_distance(together, apart) == pytest.approx(4 - 2 * np.sqrt(2), abs=0.05)


def test_frechet_distance_allows_fewer_rows_than_columns():
    assert np.isfinite(distances.frechet_distance(normal(1, 5, columns=20), normal(2, 5, columns=20)))


def test_kernel_distance_equals_the_sum_over_pairs():
    a, b = normal(1, 7, columns=3), normal(2, 5, columns=3, shift=0.5)

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    own_a = np.mean([kernel(a[i], a[j]) for i in range(7) for j in range(7) if i != j])
    own_b = np.mean([kernel(b[i], b[j]) for i in range(5) for j in range(5) if i != j])
    cross = np.mean([kernel(x, y) for x in a for y in b])
    assert distances.kernel_distance(a, b)[0] == pytest.approx(own_a + own_b - 2 * cross)


def test_kernel_distance_has_no_bias():
    draws = [distances.kernel_distance(normal(2 * k, 40), normal(2 * k + 1, 40))[0] for k in range(200)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(200)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_interval_of_the_kernel_distance_covers_repeated_draws(shift):
    draws = [distances.kernel_distance(normal(k, 150), normal(1000 + k, 150, shift=shift)) for k in range(120)]
    estimates, low, high = np.array(draws).T
    covered = (low[:, None] <= estimates) & (estimates <= high[:, None])
    assert covered.mean() > 0.92
    assert (high - low).mean() < 11 * estimates.std(), "an interval this wide says nothing"


def test_nearest_neighbour_diversity_is_zero_for_copies_and_one_for_another_draw():
    real = normal(1, 400)
    assert distances.nearest_neighbour_diversity(normal(2, 400), real) == pytest.approx(1, abs=0.1)
    assert distances.nearest_neighbour_diversity(np.tile(normal(2, 40), (10, 1)), real) == 0
    half_copies = np.concatenate([normal(2, 200), np.tile(normal(3, 20), (10, 1))])
    assert 0.35 < distances.nearest_neighbour_diversity(half_copies, real) < 0.65


def test_coverage_falls_when_faces_repeat_and_when_a_kind_is_missing():
    real = np.concatenate([normal(1, 300), normal(2, 300, shift=5)])
    again = np.concatenate([normal(3, 300), normal(4, 300, shift=5)])
    np.random.RandomState(0).shuffle(real)
    assert distances.coverage(again, real) > 0.93
    assert distances.coverage(np.tile(again[:10], (60, 1)), real) < 0.2
    assert distances.coverage(normal(5, 600), real) == pytest.approx(0.5, abs=0.06)


def test_nearest_finds_what_a_full_search_finds(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 7)
    features, among = normal(1, 20), normal(2, 30)
    gaps = np.linalg.norm(features[:, None] - among, axis=-1)
    rows, found = distances.nearest(features, among, 3)
    np.testing.assert_array_equal(rows, np.argsort(gaps, axis=1)[:, :3])
    np.testing.assert_allclose(found, np.sort(gaps, axis=1)[:, :3])


def test_nearest_without_self_leaves_out_the_row_itself_but_not_its_copy(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 2)
    features = np.array([[0.0], [5.0], [5.0], [9.0]])
    rows, found = distances.nearest(features, features, 1, exclude_self=True)
    assert rows[:, 0].tolist()[1:3] == [2, 1]
    assert found[:, 0].tolist() == [5, 0, 0, 4]


def test_sets_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="two or more rows"):
        distances.frechet_distance(normal(1, 1), normal(2, 9))
    with pytest.raises(ValueError, match="8 and of 3 columns"):
        distances.kernel_distance(normal(1, 9), normal(2, 9, columns=3))


def test_local_distance_is_the_geometric_mean_over_places():
    a = np.stack([normal(1, 300), normal(2, 300)], axis=1)
    b = a + np.array([1.0, 2.0])[:, None]
    assert distances.local_distance(a, b) == pytest.approx(np.sqrt(8 * 1 * 8 * 4))
