"""The GAN. A training step can be read from top to bottom in `GAN.step`.

The same code runs under every Keras backend; what differs between them is in `backend`.
"""

from facegan.common import images
from facegan.training import backend, losses, networks

import keras
from keras import ops


class GAN(backend.Step, keras.Model):
    """A generator G and a discriminator D that train against each other under `fit()`.

    D is updated by its own optimizer on its own loss, never through a frozen composite model: in Keras 3, freezing D
    inside a composite freezes it everywhere, and the usual port of the tutorials leaves D exactly as it was
    initialised.

    Args:
        generator: latents (n, latent_dim) → images (n, height, width, channels).
        discriminator: images → logits (n, 1), positive for real.
        averaged_generator: a second generator, float32, that holds an exponential moving average (EMA) of the first
            one's weights and batch-norm statistics; this one is saved and drawn with, and may have fixed layers too.
        output: "tanh" or "sigmoid", the generator's last activation, which fixes the range of images.
        update: how a step updates D, before G is updated on a full batch of generated images:
            "alternating": on half a batch of real images, then on half a batch of generated ones;
            "concatenated": once, on a batch that is half real and half generated;
            "summed": once, on the sum of the losses of a full real and a full generated batch, which pass through D
            separately so that batch norm sees each by itself.
        loss: a key of `losses.LOSSES`; "relativistic" pairs images and cannot be used with "alternating".
        label_smoothing, label_noise: see `losses.CrossEntropy`.
        r1, r2: weights of the penalties gamma / 2 · |gradient of D|² at real and at generated images (Mescheder et al.
            2018); the gradient is that of a logit with respect to its image.
        penalty_images: how many images of each kind, the first ones, the penalties are computed on.
        ema_decay: decay of the moving average; with 0 the averaged generator equals the generator.
        accumulate: in how many parts a batch is computed, one after the other, for batches larger than the memory; it
            divides the number of real images. Both networks are still updated by the gradients of the whole batch, so
            that the result is the same but for rounding, unless there is batch norm, which sees one part at a time, or
            randomness such as dropout. A step in parts draws the images that D learns from again for G.
        augment: a function (images, seed_generator) → images, applied to everything that D sees, or None.
        seed: the random seed of the augmentation and of label noise.

    A batch for `fit()` is a tuple (real_pixels uint8 (k, height, width, channels), g_latents, d_latents): the latents
    from which the images for G's and for D's update are generated. Without d_latents, D sees the first k images of
    G's update, and G runs once per step instead of twice.
    """

    def __init__(
        self,
        generator,
        discriminator,
        averaged_generator,
        *,
        output="tanh",
        update="alternating",
        loss="bce",
        label_smoothing=0.0,
        label_noise=0.0,
        r1=0.0,
        r2=0.0,
        penalty_images=8,
        ema_decay=0.995,
        accumulate=1,
        augment=None,
        seed=0,
    ):
        super().__init__(name="gan")
        self.generator = generator
        self.discriminator = discriminator
        self.averaged_generator = averaged_generator
        networks.copy_weights(generator, averaged_generator)
        self.output_activation = output
        self.update_discriminator = {
            "alternating": self._update_on_each_half,
            "concatenated": self._update_on_one_batch,
            "summed": self._update_on_both_batches,
        }[update]
        self.augment_seed = keras.random.SeedGenerator(seed)
        self.objective = losses.LOSSES[loss](label_smoothing, label_noise, self.augment_seed)
        if self.objective.paired and update == "alternating":
            raise ValueError(f"{loss} compares real with generated images, which an alternating update sees separately")
        self.r1, self.r2 = r1, r2
        self.penalty_images = penalty_images
        self.ema_decay = ema_decay
        self.accumulate = accumulate
        self.augment = augment
        self.built = True

    @classmethod
    def from_preset(cls, preset, image_shape, *, latent_dim=None, precision="float32", to_train=True, **options):
        """Build a GAN of fresh networks.

        Args:
            preset: a row of `presets.PRESETS`. image_shape: (height, width, channels).
            latent_dim: length of a latent; the preset's if None. precision: a Keras dtype policy.
            to_train: see `networks.build_generator`.
            options: keyword arguments of `GAN` that replace the preset's.
        """
        names = ("output", "update", "loss", "label_noise", "r1", "r2", "penalty_images", "ema_decay")
        settings = {name: getattr(preset, name) for name in names}
        return cls(
            networks.build_generator(preset, image_shape, latent_dim, precision, to_train=to_train),
            networks.build_discriminator(preset, image_shape, precision, to_train=to_train),
            networks.build_generator(preset, image_shape, latent_dim, "float32", finished=True),
            **settings | options,
        )

    def compile(self, d_optimizer, g_optimizer, **kwargs):
        """Set one optimizer each for D and G and build their state; `kwargs` go to `keras.Model.compile`."""
        super().compile(optimizer=g_optimizer, loss=None, **kwargs)
        self.d_optimizer = d_optimizer
        g_optimizer.build(self.generator.trainable_variables)
        d_optimizer.build(self.discriminator.trainable_variables)

    def call(self, latents, training=False):
        """Draw images from latents."""
        return self.generator(latents, training=training)

    def step(self, batch):
        """One training step: update D, then G through the updated D, then the average.

        Returns:
            Scalars of this step: d_loss_real, d_loss_generated, g_loss, d_accuracy_real, d_accuracy_generated (the
            shares of real and generated images that D classified correctly before its update) and `batch_diversity`.
        """
        real_pixels, g_latents, *d_latents = batch

        def real_images(part):
            pixels = ops.cast(self._part(real_pixels, part), "float32")
            return images.to_images(pixels, self.output_activation)

        # 1. The generated images that D learns from: drawn from their own latents, or shared with G's update.
        shared = not d_latents and self.accumulate == 1
        if shared:
            drawn = self.forward(self.generator, g_latents)

        def d_images(part):
            if shared:
                return ops.stop_gradient(drawn[0][: real_pixels.shape[0]])
            latents = d_latents[0] if d_latents else g_latents[: real_pixels.shape[0]]
            with _FrozenStatistics(self.generator):
                return ops.stop_gradient(self.generator(self._part(latents, part), training=True))

        # 2. Update D.
        logs = self.update_discriminator(real_images, d_images)

        # 3. Update G: the gradient of its loss goes through the updated D to the images, and from there to G's weights.
        def generator_gradients(part):
            generated_images, backward = drawn if shared else self.forward(self.generator, self._part(g_latents, part))
            real = real_images(part)
            g_loss, image_gradients = self.input_gradients(
                lambda generated_images: self._generator_loss(generated_images, real), generated_images, self.optimizer
            )
            return backward(image_gradients), {
                "g_loss": g_loss,
                "batch_diversity": batch_diversity(real, generated_images),
            }

        gradients, g_logs = self.mean_over_parts(generator_gradients, self.accumulate)
        self.apply(self.optimizer, gradients, self.generator)

        # 4. Move the average towards the updated G.
        self._update_average()
        return {**logs, **g_logs}

    def _part(self, batch, part):
        """Every `accumulate`th row of a batch, from row `part`: pairs of real and generated images stay together."""
        if self.accumulate == 1:
            return batch
        rows = batch.shape[0] // self.accumulate
        return ops.take(ops.reshape(batch, (rows, self.accumulate, *batch.shape[1:])), part, axis=1)

    def _update_d(self, loss_of):
        """Update D by the mean gradient of the parts' losses; `loss_of` is a function part → (loss, logs)."""

        def gradients(part):
            return self.gradients(self.discriminator, self.d_optimizer, lambda: loss_of(part))

        gradients, logs = self.mean_over_parts(gradients, self.accumulate)
        self.apply(self.d_optimizer, gradients, self.discriminator)
        return logs

    def _update_on_each_half(self, real_images, generated_images):
        def real_loss(part):
            real = real_images(part)
            logs = self._d_logs(self._logits(real), None)
            return logs["d_loss_real"] + self._penalty(part, real, None), logs

        def generated_loss(part):
            generated = generated_images(part)
            logs = self._d_logs(None, self._logits(generated))
            return logs["d_loss_generated"] + self._penalty(part, None, generated), logs

        logs = self._update_d(real_loss)
        return {**logs, **self._update_d(generated_loss)}

    def _update_on_one_batch(self, real_images, generated_images):
        def mean_loss(part):
            real, generated = real_images(part), generated_images(part)
            logits = self._logits(ops.concatenate([real, generated]))
            logs = self._d_logs(logits[: real.shape[0]], logits[real.shape[0] :])
            penalty = self._penalty(part, real, generated)
            return (logs["d_loss_real"] + logs["d_loss_generated"]) / 2 + penalty, logs

        return self._update_d(mean_loss)

    def _update_on_both_batches(self, real_images, generated_images):
        def summed_loss(part):
            real, generated = real_images(part), generated_images(part)
            logs = self._d_logs(self._logits(real), self._logits(generated))
            return logs["d_loss_real"] + logs["d_loss_generated"] + self._penalty(part, real, generated), logs

        return self._update_d(summed_loss)

    def _d_logs(self, *logits):
        """D's losses and accuracies on real and generated images; those whose logits are None are left out."""
        return {**self.objective.d_losses(*logits), **self.objective.d_accuracies(*logits)}

    def _penalty(self, part, real_images, generated_images):
        """R1 and R2 on those of the batch's first images in this part; None or a weight of 0 leaves a kind out."""
        penalty = 0.0
        for gamma, batch in ((self.r1, real_images), (self.r2, generated_images)):
            if gamma and batch is not None:
                total = min(self.penalty_images, self.accumulate * batch.shape[0])
                count = -(-total // self.accumulate)
                gradients = self.logit_gradients(self._logits, batch[:count])
                rows = part + self.accumulate * ops.arange(count)  # of the whole batch
                chosen = ops.cast(rows < total, "float32") * self.accumulate / total
                penalty += gamma / 2 * ops.sum(chosen * ops.sum(gradients**2, axis=(1, 2, 3)))
        return penalty

    def _generator_loss(self, generated_images, real_images):
        with _FrozenStatistics(self.discriminator):
            real_logits = ops.stop_gradient(self._logits(real_images)) if self.objective.paired else None
            return self.objective.g_loss(self._logits(generated_images), real_logits)

    def _logits(self, seen_images):
        """D's logits (n, 1) float32 in training mode, for augmented images if there is an augmentation."""
        if self.augment is not None:
            seen_images = self.augment(seen_images, self.augment_seed)
        return ops.cast(self.discriminator(seen_images, training=True), "float32")

    def _update_average(self):
        # The decay starts low and grows with the steps, so that a short run does not average in its random start.
        step = ops.cast(self.optimizer.iterations, "float32")
        decay = ops.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        pair = self.averaged_generator, self.generator
        for average, current in zip(*map(networks.learned_weights, pair), strict=True):
            # Written so that a decay of 0 copies exactly.
            average.assign(decay * average + (1.0 - decay) * ops.cast(current, average.dtype))


def batch_diversity(real_images, generated_images):
    """How varied the images of a generated batch are, relative to a real batch: near 0 in mode collapse.

    It is the mean distance from an image to its nearest neighbour in its batch, for generated images divided by the
    same for real ones. Both batches are of the real one's size, since neighbours come closer as a batch grows.
    """
    generated = _nearest_distance(generated_images[: ops.shape(real_images)[0]])
    return generated / ops.maximum(_nearest_distance(real_images), 1e-6)


def _nearest_distance(batch):
    count = ops.shape(batch)[0]
    rows = ops.reshape(ops.cast(batch, "float32"), (count, -1))
    # Images of a batch are alike: without their mean, little is lost in the difference below, also where a GPU rounds.
    rows = rows - ops.mean(rows, axis=0)
    squares = ops.sum(rows * rows, axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * ops.matmul(rows, ops.transpose(rows))
    distances = distances + 1e12 * ops.one_hot(ops.arange(count), count)
    return ops.mean(ops.sqrt(ops.maximum(ops.min(distances, axis=1), 0.0)))


class _FrozenStatistics:
    """Restores a network's moving statistics (batch norm's) after it was used in another network's update."""

    def __init__(self, network):
        self.variables = network.non_trainable_weights

    def __enter__(self):
        self.values = [ops.copy(variable.value) for variable in self.variables]

    def __exit__(self, *error):
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
