"""A failing run is noticed once, with the step at which it began; a healthy one is left in peace."""

import dataclasses
import json
import math

from facegan.training import collapse

import pytest

HEALTHY = {"d_loss_real": 0.5, "d_loss_generated": 0.6, "g_loss": 1.2, "batch_diversity": 0.7}


def see(watch, first, last, **numbers):
    findings = [watch.observe(step, {**HEALTHY, **numbers}) for step in range(first, last + 1)]
    return [finding for finding in findings if finding]


def test_a_healthy_run_raises_nothing():
    assert see(collapse.Watch(), 1, 3000) == []


@pytest.mark.parametrize("name", ["d_loss_real", "d_loss_generated", "g_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_a_finite_number_is_reported_at_once(name, value):
    (finding,) = see(collapse.Watch(), 5, 5, **{name: value})
    assert (finding.kind, finding.since) == ("not finite", 4)
    assert name in finding.sentence


def test_a_discriminator_that_overpowers_for_long_is_reported_once_with_the_step_it_began():
    watch = collapse.Watch()
    assert see(watch, 1, 1000) == []
    (finding,) = see(watch, 1001, 3000, d_loss_real=0.001, d_loss_generated=0.001)
    assert finding.kind == "discriminator overpowers"
    assert 1001 < finding.since < 1300


def test_a_generator_that_draws_one_image_is_reported():
    watch = collapse.Watch()
    see(watch, 1, 1000)
    (finding,) = see(watch, 1001, 2000, batch_diversity=0.01)
    assert finding.kind == "mode collapse"
    assert 1001 < finding.since < 1200


def test_losses_that_stay_far_above_those_of_guessing_are_reported_with_the_step_of_the_first():
    watch = collapse.Watch()
    see(watch, 1, 1000)
    assert see(watch, 1001, 1010, d_loss_real=3.0, d_loss_generated=3.0) == []
    assert see(watch, 1011, 1012, d_loss_real=30_000.0, d_loss_generated=30_000.0) == []
    assert watch.suspect
    (finding,) = see(watch, 1013, 2000, d_loss_real=2.0, d_loss_generated=2.0)
    assert (finding.kind, finding.since) == ("diverged", 1011)


def test_a_short_dip_and_the_first_steps_prove_nothing():
    watch = collapse.Watch()
    assert see(watch, 1, 150, batch_diversity=0.0, d_loss_real=0.0, d_loss_generated=0.0) == []
    assert see(watch, 151, 1000) == []
    assert see(watch, 1001, 1150, batch_diversity=0.01) == []
    assert watch.suspect
    assert see(watch, 1151, 2000) == []
    assert not watch.suspect


def test_smoothed_labels_do_not_hide_a_discriminator_that_overpowers():
    floor = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    (finding,) = see(collapse.Watch(d_loss_floor=floor), 1, 2000, d_loss_real=floor + 0.001, d_loss_generated=0.001)
    assert finding.kind == "discriminator overpowers"


def test_a_watch_resumes_from_its_saved_state_as_if_never_interrupted():
    whole = collapse.Watch()
    see(whole, 1, 900, batch_diversity=0.02)
    parted = collapse.Watch()
    see(parted, 1, 400, batch_diversity=0.02)
    parted = collapse.Watch(collapse.WatchState(**json.loads(json.dumps(dataclasses.asdict(parted.state)))))
    see(parted, 401, 900, batch_diversity=0.02)
    assert parted.state == whole.state


def test_a_number_that_is_not_finite_is_reported_however_often_it_was_before():
    watch = collapse.Watch()
    assert len(see(watch, 5, 7, g_loss=math.nan)) == 3
