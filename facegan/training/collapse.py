"""Detects from the logged values of each step that a training run has failed, and reports each failure once."""

import dataclasses
import math

# A condition must hold for this many steps in a row before it is reported, on averages over some fifty steps.
PATIENCE = 200
MEMORY = 0.98
# An untrained generator always draws nearly the same grey image, and D soon sees through it: the first steps prove
# nothing.
WARM_UP = 500
D_LOSS_MARGIN = 0.05
# Of both of D's losses together: guessing costs 1.4, with the hinge loss 2.
D_LOSS_LIMIT = 10.0
DIVERSITY_FLOOR = 0.1

NOT_FINITE = "not finite"
OVERPOWERED = "discriminator overpowers"
MODE_COLLAPSE = "mode collapse"
DIVERGED = "diverged"
SENTENCES = {
    OVERPOWERED: "the discriminator overpowers the generator (both of its losses are close to 0, so the generator "
    "learns nothing; with cross-entropy, 0.5 to 0.8 each is healthy, and 0.5 to 2 for the generator)",
    MODE_COLLAPSE: "mode collapse (the generated images are nearly all the same)",
    DIVERGED: "the training has diverged (the discriminator's losses are many times those of guessing, 0.7 each)",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A failure: its `kind` for the log, the step at which it began, and a sentence for the warning."""

    kind: str
    since: int
    sentence: str


@dataclasses.dataclass
class WatchState:
    """What a `Watch` remembers; plain JSON, so that a resumed run continues with it.

    Attributes:
        averages: running averages by name. since: the step at which each condition began to hold, by kind.
        reported: the kinds already reported.
    """

    averages: dict = dataclasses.field(default_factory=dict)
    since: dict = dataclasses.field(default_factory=dict)
    reported: list = dataclasses.field(default_factory=list)


class Watch:
    """Watches the logged values of a run, step by step.

    Args:
        state: the `WatchState` with which the run was saved, or None for a new run.
        d_loss_floor: the sum of D's losses when D is right and certain about every image; not 0 with smoothed labels.
    """

    def __init__(self, state=None, d_loss_floor=0.0):
        self.d_loss_floor = d_loss_floor
        self.state = state or WatchState()

    @property
    def suspect(self):
        """Whether some condition has begun to hold, so that the current state may turn out to be bad."""
        return bool(self.state.since)

    def observe(self, step, numbers):
        """Take in the values of a step.

        Args:
            step: steps made so far, from 1.
            numbers: d_loss_real, d_loss_generated, g_loss and batch_diversity of that step.

        Returns:
            A `Finding` the first time that a kind of failure is certain, and every time that a loss is not finite;
            otherwise None.
        """
        broken = [name for name in ("d_loss_real", "d_loss_generated", "g_loss") if not math.isfinite(numbers[name])]
        if broken:
            # The weights broke in the step before.
            return Finding(NOT_FINITE, step - 1, f"since step {step - 1}: {broken[0]} is no longer a finite number")
        averages = self.state.averages
        for name in ("d_loss_real", "d_loss_generated", "batch_diversity"):
            before = averages.get(name, numbers[name])
            averages[name] = MEMORY * before + (1.0 - MEMORY) * numbers[name]
        if step <= WARM_UP:
            return None
        d_loss = averages["d_loss_real"] + averages["d_loss_generated"]
        rules = {
            OVERPOWERED: d_loss < self.d_loss_floor + D_LOSS_MARGIN,
            MODE_COLLAPSE: averages["batch_diversity"] < DIVERSITY_FLOOR,
            DIVERGED: d_loss > D_LOSS_LIMIT,
        }
        return next(filter(None, (self._rule(kind, step, holds) for kind, holds in rules.items())), None)

    def _rule(self, kind, step, holds):
        if not holds:
            self.state.since.pop(kind, None)
            return None
        since = self.state.since.setdefault(kind, step)
        if step - since < PATIENCE or kind in self.state.reported:
            return None
        self.state.reported.append(kind)
        return Finding(kind, since, f"since step {since}: {SENTENCES[kind]}")
