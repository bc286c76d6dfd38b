"""What the two networks minimise: losses of logits, which are positive where D takes an image for real.

All classes have the same methods. `d_losses` and `d_accuracies` take the logits (n, 1) of real and of generated images,
or None for those that an update leaves out; a `paired` loss needs both.
"""

import math

import keras
from keras import ops


class CrossEntropy:
    """Binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014).

    Args:
        label_smoothing: one-sided; D's target for real images is 1 minus this (Salimans et al. 2016).
        label_noise: the share of D's targets that are exchanged for those of the other kind, others at each call.
        seed: the `keras.random.SeedGenerator` that chooses them.
    """

    paired = False
    # What turns D's logit into the probability that an image is real; None in a loss that gives it no such meaning.
    activation = "sigmoid"

    def __init__(self, label_smoothing=0.0, label_noise=0.0, seed=None):
        self.real_target = 1.0 - label_smoothing
        self.label_noise = label_noise
        self.seed = seed

    @property
    def floor(self):
        """The smallest sum of D's losses, when D tells the two kinds of images apart perfectly."""
        mean_targets = ((1.0 - self.label_noise) * self.real_target, self.label_noise * self.real_target)
        return sum(-p * math.log(p) for mean in mean_targets for p in (mean, 1.0 - mean) if p > 0.0)

    def d_losses(self, real_logits, generated_logits):
        """D's mean losses by name: d_loss_real and d_loss_generated."""
        losses = {}
        if real_logits is not None:
            losses["d_loss_real"] = self.cross_entropy(real_logits, self._targets(real_logits, self.real_target, 0.0))
        if generated_logits is not None:
            targets = self._targets(generated_logits, 0.0, self.real_target)
            losses["d_loss_generated"] = self.cross_entropy(generated_logits, targets)
        return losses

    def _targets(self, logits, target, other):
        """The target of each logit."""
        if not self.label_noise:
            return target
        flipped = keras.random.uniform(ops.shape(logits), seed=self.seed) < self.label_noise
        return ops.where(flipped, other, target)

    def d_accuracies(self, real_logits, generated_logits):
        """The shares of images that D classifies correctly: d_accuracy_real and d_accuracy_generated."""
        shares = {}
        if real_logits is not None:
            shares["d_accuracy_real"] = ops.mean(ops.cast(real_logits > 0, "float32"))
        if generated_logits is not None:
            shares["d_accuracy_generated"] = ops.mean(ops.cast(generated_logits <= 0, "float32"))
        return shares

    def g_loss(self, generated_logits, real_logits):
        """G's mean loss. `real_logits` are needed for paired losses, and None for others."""
        return self.cross_entropy(generated_logits, 1.0)

    @staticmethod
    def cross_entropy(logits, target):
        """Mean binary cross-entropy of logits against a target in 0..1, one or for each."""
        return ops.mean(target * ops.softplus(-logits) + (1.0 - target) * ops.softplus(logits))


class Hinge(CrossEntropy):
    """The hinge loss (Lim and Ye 2017)."""

    activation = None
    floor = 0.0

    def d_losses(self, real_logits, generated_logits):
        """See `CrossEntropy.d_losses`."""
        losses = {}
        if real_logits is not None:
            losses["d_loss_real"] = ops.mean(ops.relu(1.0 - real_logits))
        if generated_logits is not None:
            losses["d_loss_generated"] = ops.mean(ops.relu(1.0 + generated_logits))
        return losses

    def g_loss(self, generated_logits, real_logits):
        """See `CrossEntropy.g_loss`."""
        return -ops.mean(generated_logits)


class Relativistic(CrossEntropy):
    """The relativistic pairing loss: of a real and a generated image, which looks more real?

    Jolicoeur-Martineau 2018; with penalties on D's gradient (`GAN`'s r1 and r2), Huang et al. 2024, "The GAN is dead;
    long live the GAN!". D's two logged losses are the same, that of the pairs, and so are its two accuracies.
    """

    paired = True
    activation = None
    floor = 0.0

    def d_losses(self, real_logits, generated_logits):
        """See `CrossEntropy.d_losses`; both sets must have the same size."""
        loss = ops.mean(ops.softplus(generated_logits - real_logits))
        return {"d_loss_real": loss, "d_loss_generated": loss}

    def d_accuracies(self, real_logits, generated_logits):
        """See `CrossEntropy.d_accuracies`: the share of pairs in which D prefers the real image."""
        share = ops.mean(ops.cast(real_logits > generated_logits, "float32"))
        return {"d_accuracy_real": share, "d_accuracy_generated": share}

    def g_loss(self, generated_logits, real_logits):
        """See `CrossEntropy.g_loss`; if there are fewer real logits than generated ones, they are repeated."""
        repeats = generated_logits.shape[0] // real_logits.shape[0]
        return ops.mean(ops.softplus(ops.tile(real_logits, (repeats, 1)) - generated_logits))


LOSSES = {"bce": CrossEntropy, "hinge": Hinge, "relativistic": Relativistic}
