"""The day a line got slower, in made-up daily medians: found where there is one, and not where there is none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from monitor.analysis.changepoint import MAX_P_VALUE, MIN_LEVEL_DAYS, DailyMedians, Drift, LevelShift, find_level_shifts
from monitor.errors import UsageError

FIRST = 20_000

SEEDS = range(200)


def _noise(seed: int, days: int = 60, sigma: float = 3.0) -> np.ndarray:
    return 95 + sigma * np.random.default_rng(seed).standard_normal(days)


def _changes(medians: np.ndarray | list[float], days: np.ndarray | None = None) -> tuple[LevelShift, ...] | Drift:
    values = np.array(medians, float)
    return find_level_shifts(DailyMedians(FIRST + np.arange(len(values)) if days is None else days, values))


def _weekly(days: int = 60, less: float = 15.0) -> np.ndarray:
    return np.where(np.arange(days) % 7 >= 5, -less, 0.0)


def _one(result: tuple[LevelShift, ...] | Drift) -> LevelShift:
    assert isinstance(result, tuple)
    assert len(result) == 1
    return result[0]


@pytest.mark.parametrize(("at", "weekly"), [(10, False), (20, False), (33, False), (33, True), (50, False)])
def test_a_clear_step_is_found_within_a_day(at: int, weekly: bool):
    """Ten days from both ends, and where weekends are slower by as much: in 38 of 40 seeds at least."""
    result = [_changes(_noise(seed) + _weekly() * weekly - 15 * (np.arange(60) >= at)) for seed in range(40)]
    near = [each[0] for each in result if isinstance(each, tuple) and len(each) == 1]
    assert len(near) >= 38
    for each in near:
        assert abs(each.first_day - FIRST - at) <= 1
        assert each.last_day_before == each.first_day - 1
        assert each.after < each.before
        assert each.p_value < MAX_P_VALUE


def test_a_line_that_got_faster_is_found_as_well():
    """What changed may be for the better."""
    values = _noise(1)
    values[30:] += 15
    result = _one(_changes(values))
    assert (result.days_before, result.days_after) == (30, 30)
    assert (result.before, result.after) == (np.median(values[:30]), np.median(values[30:]))


def test_a_bad_fortnight_has_two_changes():
    """Down, and up again."""
    values = _noise(2)
    values[20:35] -= 20
    result = _changes(values)
    assert isinstance(result, tuple)
    assert [each.first_day - FIRST for each in result] == [20, 35]
    assert result[0].after < result[0].before < result[1].after + 5


@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_pure_noise_seldom_looks_like_a_change(sigma: float):
    """At most three of a hundred, over 200 seeds."""
    alarms = sum(_changes(_noise(seed, sigma=sigma)) != () for seed in SEEDS)
    assert alarms <= 0.03 * len(SEEDS)


def test_days_that_resemble_the_days_before_seldom_look_like_a_change():
    """Good and bad spells by chance alone (each day is 0.4 of the day before and noise), over 200 seeds."""
    alarms = 0
    for seed in SEEDS:
        noise = np.random.default_rng(seed).standard_normal(60)
        for at in range(1, 60):
            noise[at] += 0.4 * noise[at - 1]
        alarms += _changes(95 + 5 * noise) != ()
    assert alarms <= 0.05 * len(SEEDS)


def test_a_week_that_repeats_is_no_change():
    """Slow weekends, over 200 seeds."""
    alarms = sum(_changes(_noise(seed, sigma=2) + _weekly()) != () for seed in SEEDS)
    assert alarms <= 0.03 * len(SEEDS)


def test_a_gradual_drift_has_no_day():
    """A line that loses a fifth in two months, little by little."""
    for seed in range(20):
        result = _changes(_noise(seed, sigma=2) - np.linspace(0, 20, 60))
        assert isinstance(result, Drift)
        assert result.before - result.after == pytest.approx(18, abs=5)


def test_a_change_during_days_without_tests_has_both_ends_of_them():
    """Nobody measured for ten days; the level is another one after them."""
    values = _noise(3)
    values[30:] -= 20
    days = FIRST + np.arange(60) + 10 * (np.arange(60) >= 30)
    result = _one(_changes(values, days))
    assert (result.last_day_before - FIRST, result.first_day - FIRST) == (29, 40)


def test_days_that_are_missing_here_and_there_hide_no_change():
    """Every third day has no tests."""
    used = np.arange(90) % 3 != 0
    values = _noise(4, days=90)
    values[50:] -= 15
    result = _one(_changes(values[used], FIRST + np.arange(90)[used]))
    assert abs(result.first_day - FIRST - 50) <= 1


def test_one_terrible_day_is_no_change_of_the_level():
    """Nor are two."""
    values = _noise(5)
    values[[17, 41]] = 3
    assert _changes(values) == ()


@pytest.mark.parametrize("count", [0, 1, 2 * MIN_LEVEL_DAYS - 1])
def test_too_few_days_show_nothing(count: int):
    """However different they are."""
    assert _changes([100.0, 10.0, *[50.0] * count][:count]) == ()


def test_a_line_that_never_varies_has_changed_only_where_it_has():
    """Without any noise at all, and at 0."""
    assert _changes([100.0] * 60) == _changes([0.0] * 60) == ()
    assert _one(_changes([100.0] * 30 + [80.0] * 30)).first_day == FIRST + 30


def test_a_change_too_small_to_matter_is_not_reported():
    """Three of a hundred, however sure."""
    assert _changes([100.0] * 30 + [97.0] * 30) == ()


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """In one line that names the libraries."""
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(UsageError, match=r"(pip install|pipx inject) .*ruptures scipy$"):
        _changes([1.0] * 20)


def test_nothing_of_the_library_is_loaded_until_windows_are_compared():
    """It takes the most of a second."""
    code = "import monitor.report.evidence, monitor.report.sections.assemble, sys; "
    code += "print({'ruptures', 'scipy'} & {*sys.modules})"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout == "set()\n"
