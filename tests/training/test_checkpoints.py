"""State on disk survives being cut short."""

from facegan.training import checkpoints

import keras
import numpy as np
import pytest


def variables(value):
    return [
        keras.Variable(np.full((3,), value, "float32")),
        keras.Variable(np.full((2, 2), value, "int32"), dtype="int32"),
    ]


def values(state):
    return [float(np.asarray(variable.value).ravel()[0]) for variable in state]


def save(folder, *steps):
    for step in steps:
        checkpoints.save_state(folder, variables(step), {"step": step, "sums": {"loss": 0.1 + step}})


def test_what_is_saved_comes_back_exactly(tmp_path):
    save(tmp_path, 7)
    state = variables(0)
    assert checkpoints.load_state(tmp_path, state) == {"step": 7, "sums": {"loss": 7.1}}
    assert values(state) == [7.0, 7.0]


def test_an_empty_folder_has_no_state(tmp_path):
    assert checkpoints.load_state(tmp_path, variables(0)) is None


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_state_cut_short_is_passed_over_for_the_one_before(tmp_path, keep):
    save(tmp_path, 1, 2)
    newest = tmp_path / "state.npz"
    content = newest.read_bytes()
    newest.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    state = variables(0)
    assert checkpoints.load_state(tmp_path, state)["step"] == 1
    assert values(state) == [1.0, 1.0]


def test_a_flipped_byte_in_a_state_is_noticed(tmp_path):
    save(tmp_path, 1, 2)
    newest = tmp_path / "state.npz"
    content = bytearray(newest.read_bytes())
    place = content.rindex(np.full((3,), 2, "float32").tobytes())
    content[place] ^= 1
    newest.write_bytes(content)
    assert checkpoints.load_state(tmp_path, variables(0))["step"] == 1


def test_a_crash_between_the_renames_loses_nothing(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "state.npz").rename(tmp_path / "state_new.npz")
    assert checkpoints.load_state(tmp_path, variables(0))["step"] == 2


def test_three_states_are_kept_and_an_older_one_can_be_asked_for(tmp_path):
    save(tmp_path, 1, 2, 3, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(checkpoints.NAMES)
    assert checkpoints.load_state(tmp_path, variables(0), before_step=3)["step"] == 3
    assert checkpoints.load_state(tmp_path, variables(0), before_step=2)["step"] == 2
    assert checkpoints.load_state(tmp_path, variables(0), before_step=1) is None


def test_states_of_which_none_is_whole_stop_the_run_instead_of_beginning_anew(tmp_path):
    save(tmp_path, 1, 2)
    for name in checkpoints.NAMES[:2]:
        (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(checkpoints.StateError, match=r"state\.npz, state_previous\.npz can be read whole"):
        checkpoints.load_state(tmp_path, variables(0))


def test_a_state_of_other_networks_is_refused_before_any_variable_changes(tmp_path):
    save(tmp_path, 1)
    state = [*variables(0), *variables(0)]
    with pytest.raises(checkpoints.StateError, match="of other networks"):
        checkpoints.load_state(tmp_path, state)
    assert values(state) == [0.0] * 4


def test_going_back_leaves_no_later_state(tmp_path):
    save(tmp_path, 3, 6, 9)
    checkpoints.discard_after(tmp_path, 6)
    save(tmp_path, 7)
    assert checkpoints.load_state(tmp_path, variables(0), before_step=20)["step"] == 7
    assert checkpoints.load_state(tmp_path, variables(0), before_step=6)["step"] == 6


def test_without_rotation_only_the_newest_is_replaced(tmp_path):
    save(tmp_path, 1, 2)
    checkpoints.save_state(tmp_path, variables(3), {"step": 3}, rotate=False)
    assert checkpoints.load_state(tmp_path, variables(0))["step"] == 3
    assert checkpoints.load_state(tmp_path, variables(0), before_step=2)["step"] == 1


@pytest.mark.parametrize("progress", [{"step": -1}, {"sums": {}}, {"step": "2"}, [2], None, {"step": 2, "sums": None}])
def test_a_state_that_cannot_be_resumed_from_is_passed_over_for_the_one_before(tmp_path, progress, capsys):
    save(tmp_path, 1)
    checkpoints.save_state(tmp_path, variables(2), progress)
    state = variables(0)
    assert checkpoints.load_state(tmp_path, state, lambda record: dict(record["sums"])) == {"loss": 1.1}
    assert values(state) == [1.0, 1.0]
    assert "state.npz is incomplete or damaged: using an older state" in capsys.readouterr().out
    if progress != {"step": 2, "sums": None}:
        assert checkpoints.steps_made(tmp_path) == 1


def test_a_state_that_lacks_a_variable_is_passed_over_for_the_one_before(tmp_path):
    save(tmp_path, 1)
    checkpoints.save_state(tmp_path, variables(2)[:1], {"step": 2})
    assert checkpoints.load_state(tmp_path, variables(0))["step"] == 1


def test_a_state_holds_its_settings(tmp_path):
    assert checkpoints.saved_settings(tmp_path) is None
    checkpoints.save_state(tmp_path, variables(1), {"step": 1}, settings={"seed": 3})
    assert checkpoints.saved_settings(tmp_path) == {"seed": 3}
