"""Settings that every test shares."""

import os

# Before TensorFlow is imported: quiet, and the CPU only, wherever the tests run.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
