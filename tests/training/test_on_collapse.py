"""What train_gan.py does when training collapses: warn, stop, or go back."""

from facegan.common import cli, generators
from facegan.training import checkpoints, logs, recorder

import numpy as np
import pytest
from short_runs import train


def collapse(monkeypatch, step):
    """Make the watch see a collapse that began at a step, the first time that the run gets past it by two."""
    reported = []

    def observe(watch, now, numbers):
        if now == step + 2 and not reported:
            reported.append(now)
            return recorder.collapse.Finding("mode collapse", step, f"since step {step} mode collapse")
        return None

    monkeypatch.setattr(recorder.collapse.Watch, "observe", observe)


def test_a_collapse_is_a_sentence_that_names_the_last_good_generator_and_a_remedy(
    monkeypatch, tmp_path, dataset, capsys
):
    collapse(monkeypatch, 7)
    assert train(monkeypatch, dataset, tmp_path / "run") == 0
    printed = capsys.readouterr().err
    assert "since step 7 mode collapse; generator_model_001.h5 was saved before that; try another --seed" in printed


def test_a_run_that_stops_on_collapse_ends_with_its_own_exit_code(monkeypatch, tmp_path, dataset):
    collapse(monkeypatch, 7)
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "stop") == 3
    log = logs.read_table(tmp_path / "run" / "log.csv")
    assert [(row["step"], row["collapse"]) for row in log] == [(5, None), (9, "mode collapse")]


def test_restore_goes_back_to_before_the_collapse_with_another_seed_and_finishes(
    monkeypatch, tmp_path, dataset, capsys
):
    train(monkeypatch, dataset, tmp_path / "whole")
    collapse(monkeypatch, 7)
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "restore") == 0
    printed = capsys.readouterr().out
    assert "resuming at step 5" in printed
    assert "restarted with a new seed, 1 of 3 times" in printed
    tables = [logs.read_table(tmp_path / name / "log.csv") for name in ("whole", "run")]
    assert [row["step"] for row in tables[1]] == [5, 10, 15]
    assert tables[0][0]["g_loss"] == tables[1][0]["g_loss"]
    assert tables[0][1]["g_loss"] != tables[1][1]["g_loss"]
    assert [row["collapse"] for row in tables[1]] == [None, "mode collapse", "mode collapse"]


def test_a_state_saved_while_suspect_never_replaces_a_good_one(monkeypatch, tmp_path, dataset, capsys):
    observe = recorder.collapse.Watch.observe

    def doubt(watch, now, numbers):
        observe(watch, now, numbers)
        watch.state.since = {"mode collapse": 12} if 12 <= now < 28 else {}
        if now == 28:
            return recorder.collapse.Finding("mode collapse", 12, "all alike")
        return None

    monkeypatch.setattr(recorder.collapse.Watch, "observe", doubt)
    options = ("--on-collapse", "restore", "--epochs", "6")
    assert train(monkeypatch, dataset, tmp_path / "run", *options) == 3
    printed = capsys.readouterr()
    assert "resuming at step 10 of 30" in printed.out
    assert "went back 3 times already" in printed.err


def test_a_run_that_only_warned_goes_back_when_it_is_resumed_with_restore(monkeypatch, tmp_path, dataset, capsys):
    # From step 8 on, any diversity counts as mode collapse, which is certain after three more steps.
    for name, value in {"WARM_UP": 7, "PATIENCE": 3, "DIVERSITY_FLOOR": np.inf}.items():
        monkeypatch.setattr(recorder.collapse, name, value)
    assert train(monkeypatch, dataset, tmp_path / "run") == 0
    assert "the run goes on; with --on-collapse restore, the same command goes back" in capsys.readouterr().err
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "restore", "--epochs", "6") == 3
    printed = capsys.readouterr()
    assert "goes on" not in printed.err
    resumed = [line for line in printed.out.splitlines() if line.startswith("resuming")]
    assert resumed == ["resuming at step 15 of 30", *["resuming at step 5 of 30"] * recorder.MOST_RESTARTS]


def test_going_back_is_not_advised_before_any_state_is_saved(monkeypatch, tmp_path, dataset, capsys):
    collapse(monkeypatch, 2)
    assert train(monkeypatch, dataset, tmp_path / "run") == 0
    printed = capsys.readouterr().err
    assert "since step 2 mode collapse" in printed
    assert "--on-collapse restore" not in printed


def test_restore_gives_up_after_three_times(monkeypatch, tmp_path, dataset):
    monkeypatch.setattr(
        recorder.collapse.Watch,
        "observe",
        lambda watch, now, numbers: recorder.collapse.Finding("mode collapse", 6, "all alike") if now == 8 else None,
    )
    assert train(monkeypatch, dataset, tmp_path / "run", "--on-collapse", "restore") == 3


def break_weights(monkeypatch, step):
    """Make the averaged generator's weights NaN after a step, before any loss can show it."""
    synchronise = recorder.Recorder.synchronise

    def broken(self):
        synchronise(self)
        if self.step == step:
            weights = self.gan.averaged_generator.get_weights()
            self.gan.averaged_generator.set_weights([np.full_like(weight, np.nan) for weight in weights])

    monkeypatch.setattr(recorder.Recorder, "synchronise", broken)


@pytest.mark.parametrize("choice", ["warn", "stop"])
def test_weights_of_nan_stop_the_run_and_are_never_saved_nor_ranked(monkeypatch, tmp_path, dataset, capsys, choice):
    break_weights(monkeypatch, 10)
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out, "--on-collapse", choice) == 3
    printed = capsys.readouterr()
    assert "since step 10: the weights are no longer finite numbers; generator_model_001.h5 was saved" in printed.err
    assert "lower --learning-rate" in printed.err
    assert "stopped: not finite" in printed.out and "done" not in printed.out
    assert not (out / "generator_model_002.h5").exists()
    assert checkpoints.steps_made(out) == 5
    assert logs.read_table(out / "log.csv")[-1]["collapse"] == "not finite"


def test_a_learning_rate_beyond_all_bounds_ends_with_the_code_of_a_failure(monkeypatch, tmp_path, dataset, capsys):
    out = tmp_path / "run"
    assert train(monkeypatch, dataset, out, "--learning-rate", "1e30") == 3
    assert "no generator was saved before that; lower --learning-rate" in capsys.readouterr().err
    assert not checkpoints.has_state(out) and not list(out.glob("*.h5"))


def test_images_of_nan_stop_the_run_without_becoming_the_best(monkeypatch, tmp_path, dataset, capsys):
    draw = generators.KerasGenerator.draw
    drawn = []

    def broken(generator, latents):
        drawn.append(len(latents))
        if len(drawn) == 3:  # the start, the first epoch, the second
            raise cli.NotFiniteError
        return draw(generator, latents)

    monkeypatch.setattr(generators.KerasGenerator, "draw", broken)
    assert train(monkeypatch, dataset, tmp_path / "run") == 3
    assert "the generator's images are no longer finite numbers; generator_model_001" in capsys.readouterr().err
