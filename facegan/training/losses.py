"""What the two networks minimise: losses of logits, which are positive where D takes an image for real.

All classes have the same methods. `d_losses` and `d_accuracies` take the logits (n, 1) of real and of generated images,
or None for those that an update leaves out; a `paired` loss needs both.
"""

import math

from keras import ops


class CrossEntropy:
    """Binary cross-entropy with the non-saturating generator loss (Goodfellow et al. 2014).

    Args:
        label_smoothing: one-sided; D's target for real images is 1 minus this (Salimans et al. 2016).
    """

    paired = False
    # What turns D's logit into the probability that an image is real; None in a loss that gives it no such meaning.
    activation = "sigmoid"

    def __init__(self, label_smoothing=0.0):
        self.real_target = 1.0 - label_smoothing

    @property
    def floor(self):
        """The sum of D's losses when D is right and certain about every image."""
        target = self.real_target
        return 0.0 if target == 1.0 else -target * math.log(target) - (1.0 - target) * math.log(1.0 - target)

    def d_losses(self, real_logits, generated_logits):
        """D's mean losses by name: d_loss_real and d_loss_generated."""
        losses = {}
        if real_logits is not None:
            losses["d_loss_real"] = self.cross_entropy(real_logits, self.real_target)
        if generated_logits is not None:
            losses["d_loss_generated"] = self.cross_entropy(generated_logits, 0.0)
        return losses

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
        """Mean binary cross-entropy of logits against one target in 0..1."""
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
