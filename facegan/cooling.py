"""The learning rate of a run: constant, and over its last part falling to nothing."""

import keras
from keras import ops


class Cooling(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that stays as it is and then falls in a straight line, to reach 0 after the run's last update.

    What keeps a GAN from its best at a constant rate is the noise of its large steps: the two networks circle each
    other. Taking ever smaller steps at the end is how language models are trained too (Hu et al. 2024, "MiniCPM", 4).
    The rate follows from the number of the update alone, so a run that goes on needs no memory of it.

    Args:
        rate: the rate at first.
        updates: how often the optimizer moves its network in the whole run.
        share: the part of the run, 0 to 1, over which the rate falls.
    """

    def __init__(self, rate, updates, share):
        self.rate = rate
        self.updates = updates
        self.share = share

    def __call__(self, update):
        """The rate of an update, numbered from 0."""
        left = self.updates - ops.cast(update, "float32")
        return self.rate * ops.clip(left / (self.updates * self.share), 0.0, 1.0)

    def get_config(self):
        return {"rate": self.rate, "updates": self.updates, "share": self.share}
