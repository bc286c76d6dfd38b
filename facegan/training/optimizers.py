"""Adam whose updates are clipped, and a learning rate that falls at the end of a run."""

import keras
from keras import ops


class ClippedAdam(keras.optimizers.Adam):
    """Adam that scales an update down whose size is more than `update_clip` times the learning rate.

    Adam divides a gradient by the root of the mean of its squares over the last 1 / (1 - beta_2) updates. After a long
    calm that mean says nothing of a gradient that has suddenly grown: the weights move up to 31 times as far as usual
    (with beta_2 0.999), the other network answers with a larger gradient, and ten steps later both are destroyed. So
    the size of an update, the root mean square of gradient / sqrt(mean square) over a variable, about 1 in the long
    run, is limited (Shazeer and Stern 2018, "Adafactor", section 6, "update clipping"; for Adam Wortsman et al. 2023,
    "Stable and low-precision training for large-scale vision-language models").

    Args:
        update_clip: the largest size, above 0. options: those of `keras.optimizers.Adam`.
    """

    def __init__(self, *arguments, update_clip, **options):
        super().__init__(*arguments, **options)
        self.update_clip = update_clip

    def update_step(self, gradient, variable, learning_rate):
        """Move a variable."""
        velocity = self._velocities[self._get_variable_index(variable)]
        square = ops.square(ops.cast(gradient, variable.dtype))
        correction = 1.0 - ops.power(self.beta_2, ops.cast(self.iterations + 1, "float32"))
        mean_square = (velocity + (1.0 - self.beta_2) * (square - velocity)) / correction
        size = ops.sqrt(ops.mean(square / ops.maximum(mean_square, self.epsilon**2)))
        super().update_step(gradient, variable, learning_rate / ops.maximum(1.0, size / self.update_clip))

    def get_config(self):
        return {**super().get_config(), "update_clip": self.update_clip}


class LearningRateDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is constant and then falls linearly, reaching 0 after the run's last update.

    At a constant rate, the noise of large steps keeps a GAN from its best: the two networks circle each other. Language
    models are also trained with ever smaller steps at the end (Hu et al. 2024, "MiniCPM", section 4). The rate depends
    only on the number of the update, so a resumed run needs no memory of it.

    Args:
        rate: the initial rate.
        updates: how often the optimizer updates its network in the whole run.
        share: the last part of the run, 0 to 1, over which the rate falls.
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
