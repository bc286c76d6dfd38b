"""Settings and fixtures shared by test files."""

import os

import pytest

# Before TensorFlow or JAX is imported: quiet, with the convolutions that the scripts use, and the CPU only. Nets so
# small gain nothing by a second thread, and tests run two at a time. Compiling a training step for JAX without
# optimising it takes two fifths of the time.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.fixture
def dataset(tmp_path):
    """The path of a data set of 40 tiny pictures."""
    import tiny  # its scripts' modules must not be imported before the settings above

    return tiny.save_blobs(tmp_path / "faces.npz")


@pytest.fixture
def bundled(monkeypatch, tmp_path):
    """The path of a tiny generator that replaces the bundled one; the current folder is an empty one."""
    from facegan.common import generators

    import drawing  # imports Keras, which must not happen before the settings above

    path = tmp_path / "pretrained" / "portraits.h5"
    path.parent.mkdir()
    drawing.save_generator(path)
    monkeypatch.setattr(generators, "BUNDLED", path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return path
