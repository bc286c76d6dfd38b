"""The only code that differs between Keras's backends: one gradient update, and how `fit()` calls a step.

`gan.GAN` writes its losses and the order of its updates once, in terms of `update`. Each class below says what that
word means under one backend; `Step` is the one for the backend in use.
"""

import concurrent.futures
import itertools

import keras

from facegan import distribution


def read_ahead(stream):
    """Yield the batches of a stream, in its order, the next one being drawn in a thread meanwhile."""
    batches = iter(stream)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch


class TensorFlowStep:
    """Gradients from a tape; variables change in place."""

    def fit(self, x, **options):
        import tensorflow as tf

        # Keras lets tf.data tune itself, and its tuner, asleep for up to a minute, must wake before a process can end.
        batches = iter(x)
        first = next(batches)
        signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in first)
        stream = tf.data.Dataset.from_generator(lambda: itertools.chain([first], batches), output_signature=signature)
        untuned = tf.data.Options()
        untuned.autotune.enabled = False
        return super().fit(stream.prefetch(2).with_options(untuned), **options)

    def train_step(self, batch):
        return self.step(batch)

    def update(self, network, optimizer, loss_of):
        """Move one network down the gradient of its loss, the others standing still.

        Args:
            network: the model whose trainable variables move.
            optimizer: its optimizer.
            loss_of: a function without arguments that returns (scalar loss, anything else).

        Returns:
            What `loss_of` returned beside the loss.
        """
        import tensorflow as tf

        variables = network.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            loss, seen = loss_of()
            loss = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return seen


class TorchStep:
    """Gradients from the graph that the forward pass left; variables change in place."""

    def train_step(self, batch):
        import torch

        # Keras drops out by PyTorch's own generator, whose state it does not keep: the step's number is its seed, so
        # that a run that goes on draws what it would have drawn.
        torch.manual_seed(int(self.optimizer.iterations.value))
        # A number that keeps its graph would keep the memory of the whole step, and cannot leave it.
        return {name: value.detach() for name, value in self.step(batch).items()}

    def update(self, network, optimizer, loss_of):
        """See `TensorFlowStep.update`."""
        import torch

        variables = network.trainable_variables
        loss, seen = loss_of()
        gradients = torch.autograd.grad(optimizer.scale_loss(loss), [variable.value for variable in variables])
        with torch.no_grad():
            optimizer.apply(list(gradients), variables)
        return seen


class JaxStep:
    """A step is a pure function of the state: variables are read from and written to a stateless scope."""

    @property
    def non_trainable_variables(self):
        # `fit()` carries the state of one optimizer by itself; D's travels with the state that no gradient moves.
        carried = super().non_trainable_variables
        return [*carried, *self.d_optimizer.variables] if self.compiled else carried

    def fit(self, x, **options):
        # TensorFlow reads ahead in `prefetch`; here a device would wait while its next batch is drawn.
        return super().fit(read_ahead(distribution.own_share(x)), **options)

    def train_step(self, state, batch):
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        pairs = [pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)]
        with keras.StatelessScope(state_mapping=pairs) as scope:
            logs = self.step(batch)
        return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)

    def update(self, network, optimizer, loss_of):
        """See `TensorFlowStep.update`."""
        import jax

        # The loss of one network may move the other within: all variables but its own are carried in and out.
        everything = [*self.trainable_variables, *self.non_trainable_variables, *self.optimizer.variables]
        variables = network.trainable_variables
        moving = {id(variable) for variable in variables}
        carried = [variable for variable in everything if id(variable) not in moving]
        still = [(variable, variable.value) for variable in carried]

        def scaled_loss(values):
            with keras.StatelessScope(state_mapping=[*still, *zip(variables, values, strict=True)]) as scope:
                loss, seen = loss_of()
                loss = optimizer.scale_loss(loss)
                return loss, (seen, [scope.get_current_value(variable) for variable in carried])

        values = [variable.value for variable in variables]
        gradients, (seen, moved) = jax.grad(scaled_loss, has_aux=True)(values)
        for variable, value in zip(carried, moved, strict=True):
            variable.assign(value)
        optimizer.apply(gradients, variables)
        return seen


Step = {"tensorflow": TensorFlowStep, "jax": JaxStep, "torch": TorchStep}[keras.backend.backend()]
