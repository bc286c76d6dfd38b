"""Photos are read ahead by several threads, in order and in bounded memory."""

import time

from facegan.preparing import pipeline, preparer

import numpy as np
import pytest


def test_photos_come_in_order_and_few_are_in_memory(monkeypatch):
    monkeypatch.setattr(pipeline, "AHEAD_BYTES", 500)
    monkeypatch.setattr(pipeline, "BATCH_BYTES", 1000)
    held, most = set(), []

    def read(name):
        held.add(name)
        most.append(len(held))
        time.sleep(0.002 * (name % 3))
        return preparer.Photo(name, np.zeros((10, 10), np.uint8))

    order = []
    for batch in pipeline.batches(list(range(200)), read, threads=4):
        time.sleep(0.01)
        order += [photo.source for photo in batch]
        held.difference_update(photo.source for photo in batch)
        assert len(batch) == 10
    assert order == list(range(200))
    assert max(most) <= 10 + 5 + 4 + 1


def test_a_bug_while_reading_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        list(pipeline.batches([1, 2], lambda name: 1 / 0))
