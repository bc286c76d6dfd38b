"""The only code that differs between Keras's backends: gradients, and how `fit()` calls a step.

`gan.GAN.step` is written once, in terms of six operations that each class below provides for one backend:

- `gradients(network, optimizer, loss_of)`: a loss's gradients with respect to a network's weights;
- `apply(optimizer, gradients, network)`: one optimizer step;
- `mean_over_parts(function, count)`: gradients of a batch in parts that need memory one after the other;
- `forward(network, inputs)`: the network's outputs, and a function that turns gradients of the outputs into gradients
  of its weights;
- `input_gradients(loss_of, inputs, optimizer)`: a loss and its gradient with respect to what it is computed from;
- `logit_gradients(logits_of, images)`: gradients that a loss may contain, and that can be differentiated again.

`Step` is the class for the backend in use.
"""

import concurrent.futures
import itertools

from facegan.training import devices

import keras


def read_ahead(stream):
    """Yield the batches of a stream in order, drawing the next one in a thread in the meantime."""
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

        # Keras enables tf.data's autotuning, whose thread sleeps for up to a minute and delays the end of the process.
        batches = iter(x)
        first = next(batches)
        signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in first)
        stream = tf.data.Dataset.from_generator(lambda: itertools.chain([first], batches), output_signature=signature)
        untuned = tf.data.Options()
        untuned.autotune.enabled = False
        return super().fit(stream.prefetch(2).with_options(untuned), **options)

    def train_step(self, batch):
        return self.step(batch)

    def gradients(self, network, optimizer, loss_of):
        """Differentiate a loss with respect to a network's trainable variables.

        Args:
            network: a model. optimizer: the one that will apply the gradients; under float16 it scales them.
            loss_of: a function without arguments that returns (scalar loss, logs).

        Returns:
            (a list of gradients, the logs).
        """
        import tensorflow as tf

        values = [variable.value for variable in network.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss, logs = loss_of()
            loss = optimizer.scale_loss(loss)
        return tape.gradient(loss, values), logs

    def apply(self, optimizer, gradients, network):
        """Move a network's trainable variables one optimizer step down the gradients."""
        optimizer.apply(gradients, network.trainable_variables)

    def mean_over_parts(self, function, count):
        """The mean of what a function returns for the parts of a batch, computed one after the other.

        Args:
            function: part 0, 1, … → nested lists and dictionaries of tensors. count: how many parts there are.
        """
        import tensorflow as tf

        def add(part, sums):
            return part + 1, tf.nest.map_structure(tf.add, sums, function(part))

        first = function(0)
        if count == 1:
            return first
        _, sums = tf.while_loop(lambda part, sums: part < count, add, (1, first), parallel_iterations=1)
        return tf.nest.map_structure(lambda value: value / count, sums)

    def forward(self, network, inputs):
        """Run a network in training mode.

        Returns:
            (outputs, backward). `backward` takes the gradient of the outputs and returns the gradients of the network's
            trainable variables as a list; call it once.
        """
        import tensorflow as tf

        values = [variable.value for variable in network.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            outputs = network(inputs, training=True)
        return outputs, lambda gradients: tape.gradient(outputs, values, gradients)

    def input_gradients(self, loss_of, inputs, optimizer):
        """Differentiate a loss with respect to its inputs.

        Args:
            loss_of: a function inputs → scalar loss. inputs: a tensor, taken as a constant.
            optimizer: the one that will apply the gradients; under float16 it scales them.

        Returns:
            (loss, scaled gradients of the inputs' shape).
        """
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            loss = loss_of(inputs)
            scaled = optimizer.scale_loss(loss)
        return loss, tape.gradient(scaled, inputs)

    def logit_gradients(self, logits_of, images):
        """The gradient of each image's logit with respect to the image, of the images' shape.

        Args:
            logits_of: a function images → logits (n, 1), in which images do not affect one another. images: a tensor.
        """
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            logits = tf.reduce_sum(logits_of(images))
        return tape.gradient(logits, images)


class TorchStep:
    """Gradients from the graph that the forward pass recorded; variables change in place."""

    def train_step(self, batch):
        import torch

        # Keras's dropout uses PyTorch's own generator, whose state Keras does not keep. The step's number seeds it, so
        # that a resumed run draws what it would have drawn.
        torch.manual_seed(int(self.optimizer.iterations.value))
        # A value that kept its graph would keep the memory of the whole step.
        return {name: value.detach() for name, value in self.step(batch).items()}

    def gradients(self, network, optimizer, loss_of):
        """See `TensorFlowStep.gradients`."""
        import torch

        loss, logs = loss_of()
        values = [variable.value for variable in network.trainable_variables]
        return list(torch.autograd.grad(optimizer.scale_loss(loss), values)), logs

    def apply(self, optimizer, gradients, network):
        """See `TensorFlowStep.apply`."""
        import torch

        with torch.no_grad():
            optimizer.apply(gradients, network.trainable_variables)

    def mean_over_parts(self, function, count):
        """See `TensorFlowStep.mean_over_parts`."""
        gradients, logs = function(0)
        for part in range(1, count):
            more, values = function(part)
            for total, gradient in zip(gradients, more, strict=True):
                total += gradient
            logs = {name: value.detach() + values[name].detach() for name, value in logs.items()}
        return [total / count for total in gradients], {name: value / count for name, value in logs.items()}

    def forward(self, network, inputs):
        """See `TensorFlowStep.forward`."""
        import torch

        outputs = network(inputs, training=True)
        values = [variable.value for variable in network.trainable_variables]
        return outputs.detach(), lambda gradients: list(torch.autograd.grad(outputs, values, gradients))

    def input_gradients(self, loss_of, inputs, optimizer):
        """See `TensorFlowStep.input_gradients`."""
        import torch

        inputs = inputs.detach().requires_grad_()
        loss = loss_of(inputs)
        return loss, torch.autograd.grad(optimizer.scale_loss(loss), inputs)[0]

    def logit_gradients(self, logits_of, images):
        """See `TensorFlowStep.logit_gradients`."""
        import torch

        images = images.detach().requires_grad_()
        return torch.autograd.grad(logits_of(images).sum(), images, create_graph=True)[0]


class JaxStep:
    """A step as a pure function of the state: variables are read from and written to a stateless scope."""

    @property
    def non_trainable_variables(self):
        # `fit()` carries the state of one optimizer; D's optimizer travels with the non-trainable variables.
        carried = super().non_trainable_variables
        return [*carried, *self.d_optimizer.variables] if self.compiled else carried

    def fit(self, x, **options):
        # TensorFlow's `prefetch` reads ahead; without this, a JAX device would wait while its next batch is drawn.
        return super().fit(read_ahead(devices.own_share(x)), **options)

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

    def gradients(self, network, optimizer, loss_of):
        """See `TensorFlowStep.gradients`."""
        import jax

        variables = network.trainable_variables

        def scaled_loss(values):
            (loss, logs), carried = self._stateless(loss_of, zip(variables, values, strict=True))
            return optimizer.scale_loss(loss), (logs, carried)

        gradients, (logs, carried) = jax.grad(scaled_loss, has_aux=True)([variable.value for variable in variables])
        self._keep(carried)
        return gradients, logs

    def apply(self, optimizer, gradients, network):
        """See `TensorFlowStep.apply`."""
        optimizer.apply(gradients, network.trainable_variables)

    def mean_over_parts(self, function, count):
        """See `TensorFlowStep.mean_over_parts`."""
        import jax

        if count == 1:
            return function(0)

        def add(part, carried):
            sums, values = carried
            pairs = zip(self.non_trainable_variables, values, strict=True)
            more, values = self._stateless(lambda: function(part), pairs)
            return jax.tree.map(jax.numpy.add, sums, more), values

        sums, values = jax.lax.fori_loop(1, count, add, self._stateless(lambda: function(0)))
        self._keep(values)
        return jax.tree.map(lambda value: value / count, sums)

    def forward(self, network, inputs):
        """See `TensorFlowStep.forward`."""
        import jax

        variables = network.trainable_variables

        def outputs_of(values):
            return self._stateless(lambda: network(inputs, training=True), zip(variables, values, strict=True))

        outputs, backward, carried = jax.vjp(outputs_of, [variable.value for variable in variables], has_aux=True)
        self._keep(carried)
        return outputs, lambda gradients: backward(gradients)[0]

    def input_gradients(self, loss_of, inputs, optimizer):
        """See `TensorFlowStep.input_gradients`."""
        import jax

        def scaled_loss(inputs):
            loss, carried = self._stateless(lambda: loss_of(inputs))
            return optimizer.scale_loss(loss), (loss, carried)

        gradients, (loss, carried) = jax.grad(scaled_loss, has_aux=True)(inputs)
        self._keep(carried)
        return loss, gradients

    def logit_gradients(self, logits_of, images):
        """See `TensorFlowStep.logit_gradients`."""
        import jax

        # New random states are dropped here: values from an inner gradient must not outlive it.
        return jax.grad(lambda images: self._stateless(lambda: logits_of(images).sum())[0])(images)

    def _stateless(self, function, pairs=()):
        """Call a function in its own stateless scope, as `jax.grad` needs.

        Args:
            function: without arguments. pairs: (variable, value), for the variables that are differentiated.

        Returns:
            (its result, the values of the non-trainable variables after it), the latter for `_keep`.
        """
        known = [(variable, variable.value) for variable in self.trainable_variables + self.non_trainable_variables]
        with keras.StatelessScope(state_mapping=[*known, *pairs]) as scope:
            result = function()
            return result, [scope.get_current_value(variable) for variable in self.non_trainable_variables]

    def _keep(self, values):
        """Assign what non-trainable variables became within `_stateless`: statistics, random states."""
        for variable, value in zip(self.non_trainable_variables, values, strict=True):
            variable.assign(value)


Step = {"tensorflow": TensorFlowStep, "jax": JaxStep, "torch": TorchStep}[keras.backend.backend()]
