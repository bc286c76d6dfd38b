"""From a data set to a run folder with generators: networks, the training step, and everything a run writes.

May import `metrics` and `common`.
"""
