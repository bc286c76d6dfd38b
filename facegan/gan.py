"""The GAN: its losses, and the order in which a training step moves the discriminator and the generator.

Goodfellow et al. 2014 with the non-saturating loss; Radford et al. 2015 for the optimizer's settings. The same code
runs under every Keras backend; what differs between them is in `backend`.
"""

import math

import keras
from keras import ops

from facegan import backend, images


class GAN(backend.Step, keras.Model):
    """A generator and a discriminator that train each other under `fit()`.

    D, the discriminator, is moved by its own optimizer on its own loss and never through a frozen composite model: in
    Keras 3 freezing D inside a composite freezes it everywhere, and the usual port of the tutorials leaves D exactly
    as it was initialised.

    Args:
        generator: latents (n, latent_dim) → images (n, height, width, channels).
        discriminator: images → logits (n, 1), positive for real.
        averaged_generator: a second generator, float32, that follows the first as an exponential moving average of its
            weights and batch-norm statistics; the one to draw with and to save.
        output: "tanh" or "sigmoid", the generator's last activation, which fixes the range of images.
        update: what one step does, G moving last and always on a full batch of generated images:
            "halves": D on half a batch of real images, then D on half a batch of generated ones;
            "joined": D once on a batch whose one half is real and the other generated;
            "summed": D once on the sum of the losses of a full real and a full generated batch, passed through D
            apart so that batch norm sees each by itself.
        loss: "bce", binary cross-entropy with the non-saturating generator loss, or "hinge" (Lim and Ye 2017).
        smooth: target of D for real images under "bce": 0.9 is one-sided label smoothing (Salimans et al. 2016).
        average: decay of the moving average; with 0 the second generator equals the first.
        augment: a function (images, seed_generator) → images, applied to everything that D sees, or None.

    A batch for `fit()` is a tuple (real_pixels uint8 (k, height, width, channels), g_latents, d_latents): the latents
    from which the images for G's and for D's update are generated. Without d_latents both see the same images, the
    first k of G's serving D, and G draws once a step instead of twice.
    """

    def __init__(
        self,
        generator,
        discriminator,
        averaged_generator,
        *,
        output="tanh",
        update="halves",
        loss="bce",
        smooth=1.0,
        average=0.995,
        augment=None,
        seed=0,
    ):
        super().__init__(name="gan")
        self.generator = generator
        self.discriminator = discriminator
        self.averaged_generator = averaged_generator
        averaged_generator.set_weights(generator.get_weights())
        self.output_activation = output
        self.update_rule = {"halves": self._halves, "joined": self._joined, "summed": self._summed}[update]
        self.loss_terms = {"bce": _cross_entropy, "hinge": _hinge}[loss]
        self.smooth = smooth
        self.average = average
        self.augment = augment
        self.augment_seed = keras.random.SeedGenerator(seed)
        self.built = True

    @property
    def d_loss_floor(self):
        """What D's losses on real and generated images add up to when it is right and sure of all."""
        if self.loss_terms is not _cross_entropy or self.smooth == 1.0:
            return 0.0
        return -self.smooth * math.log(self.smooth) - (1.0 - self.smooth) * math.log(1.0 - self.smooth)

    def compile(self, d_optimizer, g_optimizer, **kwargs):
        """Take one optimizer each for D and G and build their state; `kwargs` go to `keras.Model.compile`."""
        super().compile(optimizer=g_optimizer, loss=None, **kwargs)
        self.d_optimizer = d_optimizer
        g_optimizer.build(self.generator.trainable_variables)
        d_optimizer.build(self.discriminator.trainable_variables)

    def call(self, latents, training=False):
        """Draw images from latents."""
        return self.generator(latents, training=training)

    def step(self, batch):
        """One step: D, then G through the moved D, then the average.

        Returns:
            Scalars of this step: d_loss_real, d_loss_generated, g_loss, d_accuracy_real, d_accuracy_generated (shares
            of the real and generated images that D told right before it moved) and variety, see `variety`.
        """
        real_pixels, g_latents, *d_latents = batch
        real_images = images.to_images(ops.cast(real_pixels, "float32"), self.output_activation)
        logs = {}
        if d_latents:
            with _Still(self.generator):
                generated_images = ops.stop_gradient(self.generator(d_latents[0], training=True))
            logs |= self.update_rule(real_images, generated_images)

        def generator_loss():
            drawn = self.generator(g_latents, training=True)
            if not d_latents:
                logs.update(self.update_rule(real_images, ops.stop_gradient(drawn)[: ops.shape(real_images)[0]]))
            with _Still(self.discriminator):
                logits = self._judge(drawn)
            loss = self.loss_terms(logits, None)
            return loss, {**logs, "g_loss": loss, "variety": variety(real_images, drawn)}

        logs = self.update(self.generator, self.optimizer, generator_loss)
        self._average_generator()
        return logs

    def _halves(self, real_images, generated_images):
        return {**self._move_discriminator(real_images, None), **self._move_discriminator(None, generated_images)}

    def _summed(self, real_images, generated_images):
        return self._move_discriminator(real_images, generated_images)

    def _joined(self, real_images, generated_images):
        def loss_of():
            logits = self._judge(ops.concatenate([real_images, generated_images]))
            split = ops.shape(real_images)[0]
            logs = self._d_logs(logits[:split], logits[split:])
            return (logs["d_loss_real"] + logs["d_loss_generated"]) / 2, logs

        return self.update(self.discriminator, self.d_optimizer, loss_of)

    def _move_discriminator(self, real_images, generated_images):
        """One update of D on the summed losses of those batches that are given."""

        def loss_of():
            logits = [None if batch is None else self._judge(batch) for batch in (real_images, generated_images)]
            logs = self._d_logs(*logits)
            return sum(value for name, value in logs.items() if name.startswith("d_loss")), logs

        return self.update(self.discriminator, self.d_optimizer, loss_of)

    def _d_logs(self, real_logits, generated_logits):
        logs = {}
        if real_logits is not None:
            logs["d_loss_real"] = self.loss_terms(real_logits, self.smooth)
            logs["d_accuracy_real"] = ops.mean(ops.cast(real_logits > 0, "float32"))
        if generated_logits is not None:
            logs["d_loss_generated"] = self.loss_terms(generated_logits, 0.0)
            logs["d_accuracy_generated"] = ops.mean(ops.cast(generated_logits <= 0, "float32"))
        return logs

    def _judge(self, images_seen):
        if self.augment is not None:
            images_seen = self.augment(images_seen, self.augment_seed)
        return ops.cast(self.discriminator(images_seen, training=True), "float32")

    def _average_generator(self):
        # A short run would otherwise average in its random start: let the memory grow with the steps made.
        step = ops.cast(self.optimizer.iterations, "float32")
        decay = ops.minimum(self.average, (1.0 + step) / (10.0 + step))
        for follower, leader in zip(self.averaged_generator.weights, self.generator.weights, strict=True):
            # Written so that a decay of 0 copies to the last bit.
            follower.assign(decay * follower + (1.0 - decay) * ops.cast(leader, follower.dtype))


def variety(real_images, generated_images):
    """How far apart the images of a generated batch lie, against a real batch: near 0 when they are all alike.

    It is the mean distance from an image to its nearest neighbour in its batch, generated over real; as many are
    compared as the real batch has, since nearest neighbours come closer as a batch grows.
    """
    generated = _nearest_distance(generated_images[: ops.shape(real_images)[0]])
    return generated / ops.maximum(_nearest_distance(real_images), 1e-6)


def _nearest_distance(batch):
    count = ops.shape(batch)[0]
    rows = ops.reshape(ops.cast(batch, "float32"), (count, -1))
    squares = ops.sum(rows * rows, axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * ops.matmul(rows, ops.transpose(rows))
    distances = distances + 1e12 * ops.one_hot(ops.arange(count), count)
    return ops.mean(ops.sqrt(ops.maximum(ops.min(distances, axis=1), 0.0)))


def _cross_entropy(logits, target):
    """Mean binary cross-entropy of logits against `target` in 0..1; None is the generator's: its images as real."""
    target = 1.0 if target is None else target
    return ops.mean(target * ops.softplus(-logits) + (1.0 - target) * ops.softplus(logits))


def _hinge(logits, target):
    """Mean hinge loss: D's for real (target above 0) and generated images (0), G's for None."""
    if target is None:
        return -ops.mean(logits)
    return ops.mean(ops.relu(1.0 - logits if target else 1.0 + logits))


class _Still:
    """Keeps a network's moving statistics (batch norm's) as they were while it serves another network's update."""

    def __init__(self, network):
        self.variables = network.non_trainable_weights

    def __enter__(self):
        self.values = [ops.copy(variable.value) for variable in self.variables]

    def __exit__(self, *error):
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
