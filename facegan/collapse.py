"""Notices from the numbers of each step that a training run has failed, and says so in one sentence."""

import dataclasses
import math

# A rule must hold for this many steps in a row before it speaks, on averages over some fifty steps.
PATIENCE = 200
MEMORY = 0.98
# Untrained generators draw nearly one grey image and an untrained D is quickly right: the first steps prove nothing.
WARM_UP = 500
D_LOSS_MARGIN = 0.05
VARIETY_FLOOR = 0.1
NOT_FINITE = "not finite"

D_WINS = (
    "both losses of D are close to 0: it tells every image and G learns nothing from it; "
    "try --smooth 0.9, --augment for a small data set, or a lower --learning-rate"
)
ALIKE = "the generated images are nearly all alike; try another --seed, a lower --learning-rate or --augment"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was seen: `kind` for the log, since which step, and a sentence with a remedy."""

    kind: str
    since: int
    sentence: str


class Watch:
    """Watches the numbers of a run, step by step.

    Args:
        state: what `self.state` was when the run was saved, or None for a new run.
        d_loss_floor: what D's losses add up to when D is right and sure of every image; not 0 with smoothed labels.
    """

    def __init__(self, state=None, d_loss_floor=0.0):
        self.d_loss_floor = d_loss_floor
        self.state = state or {"averages": {}, "since": {}, "told": []}

    @property
    def uneasy(self):
        """Whether some rule has begun to hold, so that the present state may turn out to be bad."""
        return bool(self.state["since"]) or NOT_FINITE in self.state["told"]

    def see(self, step, numbers):
        """Take in the numbers of a step.

        Args:
            step: steps made so far, from 1. numbers: d_loss_real, d_loss_generated, g_loss, variety of that step.

        Returns:
            A `Finding` the first time that a kind of failure is certain, else None.
        """
        broken = [name for name in ("d_loss_real", "d_loss_generated", "g_loss") if not math.isfinite(numbers[name])]
        if broken:
            # The weights broke in the step before.
            return self._tell(
                NOT_FINITE,
                step - 1,
                f"{broken[0]} is no longer a finite number; lower --learning-rate, or use float32",
            )
        for name in ("d_loss_real", "d_loss_generated", "variety"):
            before = self.state["averages"].get(name, numbers[name])
            self.state["averages"][name] = MEMORY * before + (1.0 - MEMORY) * numbers[name]
        if step <= WARM_UP:
            return None
        averages = self.state["averages"]
        d_wins = averages["d_loss_real"] + averages["d_loss_generated"] < self.d_loss_floor + D_LOSS_MARGIN
        alike = averages["variety"] < VARIETY_FLOOR
        return self._rule("d wins", step, d_wins, D_WINS) or self._rule("alike", step, alike, ALIKE)

    def _rule(self, kind, step, holds, sentence):
        if not holds:
            self.state["since"].pop(kind, None)
            return None
        since = self.state["since"].setdefault(kind, step)
        return self._tell(kind, since, sentence) if step - since >= PATIENCE else None

    def _tell(self, kind, since, sentence):
        if kind in self.state["told"]:
            return None
        self.state["told"].append(kind)
        return Finding(kind, since, f"since step {since} {sentence}")
