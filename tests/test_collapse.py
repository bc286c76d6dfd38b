"""A failing run is noticed once, with the step at which it began; a healthy one is left in peace."""

import json
import math

import pytest

from facegan import collapse

HEALTHY = {"d_loss_real": 0.5, "d_loss_generated": 0.6, "g_loss": 1.2, "variety": 0.7}


def see(watch, first, last, **numbers):
    findings = [watch.see(step, {**HEALTHY, **numbers}) for step in range(first, last + 1)]
    return [finding for finding in findings if finding]


def test_a_healthy_run_raises_nothing():
    assert see(collapse.Watch(), 1, 3000) == []


@pytest.mark.parametrize("name", ["d_loss_real", "d_loss_generated", "g_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_finite_number_is_told_at_once(name, value):
    (finding,) = see(collapse.Watch(), 5, 5, **{name: value})
    assert (finding.kind, finding.since) == ("not finite", 4)
    assert name in finding.sentence


def test_a_discriminator_that_wins_for_long_is_told_once_with_the_step_it_began():
    watch = collapse.Watch()
    assert see(watch, 1, 1000) == []
    (finding,) = see(watch, 1001, 3000, d_loss_real=0.001, d_loss_generated=0.001)
    assert finding.kind == "d wins"
    assert 1001 < finding.since < 1300
    assert "--smooth" in finding.sentence


def test_a_generator_that_draws_one_image_is_told():
    watch = collapse.Watch()
    see(watch, 1, 1000)
    (finding,) = see(watch, 1001, 2000, variety=0.01)
    assert finding.kind == "alike"
    assert 1001 < finding.since < 1200


def test_a_short_dip_and_the_first_steps_prove_nothing():
    watch = collapse.Watch()
    assert see(watch, 1, 150, variety=0.0, d_loss_real=0.0, d_loss_generated=0.0) == []
    assert see(watch, 151, 1000) == []
    assert see(watch, 1001, 1150, variety=0.01) == []
    assert watch.uneasy
    assert see(watch, 1151, 2000) == []
    assert not watch.uneasy


def test_smoothed_labels_do_not_hide_a_discriminator_that_wins():
    floor = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    (finding,) = see(collapse.Watch(d_loss_floor=floor), 1, 2000, d_loss_real=floor + 0.001, d_loss_generated=0.001)
    assert finding.kind == "d wins"


def test_after_a_number_that_is_not_finite_no_state_counts_as_good():
    watch = collapse.Watch()
    see(watch, 5, 5, g_loss=math.nan)
    assert watch.uneasy


def test_a_watch_goes_on_from_its_saved_state_as_if_never_interrupted():
    whole = collapse.Watch()
    see(whole, 1, 900, variety=0.02)
    parted = collapse.Watch()
    see(parted, 1, 400, variety=0.02)
    parted = collapse.Watch(json.loads(json.dumps(parted.state)))
    see(parted, 401, 900, variety=0.02)
    assert parted.state == whole.state
