"""Scores of calls: what counts as right, rates of triggers and misses, the probability of none, counts that add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.calls.skills.check import NONE, read_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.none_scores import (
    LEVELS,
    auroc,
    choose_threshold,
    curve,
    none_counts,
    none_log_odds,
    probability,
    shares,
)
from lab_lib.evaluation.scores import compare, compare_runs, pool
from lab_lib.evaluation.skill_calls import judge
from lab_lib.evaluation.skill_scores import score_skills, skill_metrics

HOME = load_skills(["home"])
PLAIN = EvaluateConfig(resamples=0)
RAIN = 'weather(location="San Francisco", day="tomorrow")'
# answer, gold -> (exact, tolerant, function, (right, given, expected arguments), cause)
JUDGED = [
    (RAIN, RAIN, (True, True, True, (2, 2, 2), "")),
    ('weather(day="tomorrow", location="San Francisco")', RAIN, (True, True, True, (2, 2, 2), "")),
    ('weather(location="san francisco", day="tomorrow")', RAIN, (False, True, True, (1, 2, 2), "argument location")),
    ('weather(location="San-Francisco", day="tomorrow")', RAIN, (False, True, True, (1, 2, 2), "argument location")),
    ('weather(location="San Francisco")', RAIN, (False, False, True, (1, 1, 2), "argument day")),
    ('weather(location="San Francisco", day="today")', 'weather(location="San Francisco")',
     (True, True, True, (1, 1, 1), "")),  # the default value equals no argument
    ('calculate(expression="99")', 'calculate(expression="9*9")',
     (False, False, True, (0, 1, 1), "argument expression")),  # a pattern is not a wording
    ('news(topic="rain")', RAIN, (False, False, False, (0, 1, 2), "other skill")),
    ("none()", RAIN, (False, False, False, (0, 0, 2), "missed")),
    ("news()", "none()", (False, False, False, (0, 0, 0), "false trigger")),
    ("none()", "none()", (True, True, True, (0, 0, 0), "")),
    ("[]", "none()", (True, True, True, (0, 0, 0), "")),
    ("I do not know", "none()", (False, False, False, (0, 0, 0), "syntax")),
    ('weather(location="San Fr', RAIN, (False, False, False, (0, 0, 2), "syntax")),
    ("weather()", RAIN, (False, False, False, (0, 0, 2), "missing")),
    ('convert(amount=5, unit="km", to="miles")', 'convert(amount=5.0, unit="km", to="miles")',
     (True, True, True, (3, 3, 3), "")),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "gold", "found"), JUDGED)
def test_what_is_right_about_an_answer(answer, gold, found):
    judged = judge({"response": answer}, read_call(gold, HOME), HOME)
    assert (judged.exact, judged.tolerant, judged.function, judged.pairs, judged.cause) == found
    assert judged.finished and judged.triggers == (judged.call is not None and judged.call != NONE)


def test_an_answer_that_was_cut_is_an_outcome_of_its_own():
    cut = judge({"response": 'weather(location="San Fr', "stopped": False}, read_call(RAIN, HOME), HOME)
    assert not cut.finished and cut.cause == "unfinished"


def names(odds: float) -> dict[str, float]:
    """Log probabilities of names with some log-odds of none."""
    return {"none": odds, "weather": math.log(0.75), "news": math.log(0.25)}


GOLD = {"a": RAIN, "b": "news()", "c": "news(count=3)", "d": "none()", "e": "none()"}
ANSWERS = {"a": RAIN, "b": "none()", "c": "news(count=4)", "d": "news()", "e": "none()"}


def scored(answers, resamples=0, **more):
    gold = {key: read_call(call, HOME) for key, call in GOLD.items()}
    predictions = {key: [{"response": text, **more.get(key, {})}] for key, text in answers.items()}
    return score_skills(gold, predictions, HOME, EvaluateConfig(resamples=resamples))


def test_rates_are_of_their_own_kind_of_request_and_the_mean_is_over_skills():
    values = scored(ANSWERS).values
    assert values["exact_macro"] == 50  # weather 1 of 1, news 0 of 2; eight skills were not asked for
    assert values["exact"] == 40 and values["function"] == 60
    assert values["false_triggers"] == 50 and values["misses"] == pytest.approx(100 / 3)
    assert values["exact_weather"] == 100 and values["exact_news"] == 0 and "exact_convert" not in values
    assert values["argument_f1"] == pytest.approx(100 * 2 * 2 / (3 + 3)) and "auroc" not in values
    assert set(values) <= {metric.key for metric in skill_metrics(list(HOME))}
    assert scored({**ANSWERS, "a": "weather("}, a={"stopped": False}).values["unfinished"] == 20
    with pytest.raises(LabError, match="a: 2 answers, expected one"):
        score_skills({"a": NONE}, {"a": [{"response": ""}] * 2}, HOME, PLAIN)


def test_the_probability_of_none_is_scored_where_it_was_measured_and_gated_by_the_threshold():
    odds = {"a": -3.0, "b": -1.0, "c": 2.0, "d": 1.0, "e": 4.0}
    more = {key: {"names": names(value), "threshold": 0.6} for key, value in odds.items()}
    found = scored(ANSWERS, **more)
    # d (1.0) lies above a and b, e above all: 5 of 6 pairs
    assert found.values["auroc"] == pytest.approx(100 * 5 / 6)
    assert found.values["false_triggers_gated"] == 0  # d: p(none) = 0.73 from 0.6 on nothing is called
    assert found.values["misses_gated"] == pytest.approx(100 * 2 / 3)  # b by its answer, c by the gate
    (line,) = found.extra["curves"]
    assert line["points"][0] == [0, 100] and line["points"][-1] == [100, 0] and line["chosen"] == [0, 200 / 3]
    for wrong in ({"none": 0.0}, {"weather": 0.0, "news": 0.0}, {"none": "a", "news": 0.0}, [1]):
        with pytest.raises(LabError, match=r"d: names is .*expected a log probability"):
            scored(ANSWERS, d={"names": wrong})
    with pytest.raises(LabError, match="d: threshold is 2, expected a probability"):
        scored(ANSWERS, d={"names": names(1.0), "threshold": 2})


def test_counts_add_up_for_intervals_pairs_and_pools():
    odds = {"a": -3.0, "b": -1.0, "c": 2.0, "d": 1.0, "e": 4.0}
    more = {key: {"names": names(value)} for key, value in odds.items()}
    first = scored(ANSWERS, 60, **more)
    assert first.values == first.of_counts(first.counts.sum(axis=0))
    assert all(low <= first.values[key] <= high for key, (low, high) in first.intervals.items())
    better = scored({**ANSWERS, "c": "news(count=3)"}, 60, **more)
    assert compare(better, first, 60)["exact_macro"].difference == pytest.approx(25)
    assert pool([first, better], 60)["exact_macro"].mean == pytest.approx(62.5)


def test_what_some_resamples_or_one_system_lack_is_no_error_when_rows_are_compared():
    """Of two requests for nothing some resamples draw none; a threshold only one of the systems has."""
    more = {key: {"names": names(value)} for key, value in {"a": -3.0, "b": -1.0, "c": 2.0, "d": 1.0, "e": 4.0}.items()}
    plain = scored(ANSWERS, 60)
    gated = scored(ANSWERS, 60, **{key: {**value, "threshold": 0.6} for key, value in more.items()})
    assert "auroc" in gated.values and "auroc" not in plain.values and "false_triggers" not in plain.intervals
    for first, second in ((gated, plain), (plain, gated)):
        found = compare(first, second, 60)
        assert found["exact_macro"].difference == 0 and found["exact_macro"].p == 1
        assert "false_triggers" in found and "auroc" not in found and "misses_gated" not in found
        assert all(np.isfinite([one.low, one.high]).all() for one in found.values())
        assert "auroc" not in pool([plain, plain], 60) and "auroc" in pool([gated, gated], 60)
    better = scored({**ANSWERS, "c": "news(count=3)", "b": "news()"}, 0)
    several = compare_runs([(better, plain), (plain, plain)], 200)["exact_macro"]
    assert several.difference == pytest.approx(25) and several.low == 0 and several.high > 25
    only = {key: read_call(GOLD[key], HOME) for key in "abc"}  # nobody asks for nothing
    alone = score_skills(only, {key: [{"response": ANSWERS[key]}] for key in only}, HOME, PLAIN)
    assert "false_triggers" not in compare(alone, alone, 20)


ODDS = st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=2, max_size=20).filter(
    lambda pairs: len({kind for _, kind in pairs}) == 2
)


@settings(max_examples=60, deadline=None)
@given(ODDS)
def test_auroc_curve_and_threshold_are_those_of_counting_by_hand(pairs):
    pairs = [(round(4 * value) / 4, kind) for value, kind in pairs]  # on the levels nothing is lost
    rows = none_counts([({"names": names(value)}, "none" if kind else "news", True, "k") for value, kind in pairs])
    sums = rows.sum(axis=0)
    nothing, calls = ([value for value, kind in pairs if kind is which] for which in (True, False))
    wins = np.mean([(one > other) + (one == other) / 2 for one in nothing for other in calls])
    assert auroc(sums[:LEVELS], sums[LEVELS : 2 * LEVELS]) == pytest.approx(wins)
    for cut, triggers, misses in curve(sums):
        if 1e-4 < cut < 1 - 1e-4:
            level = round(4 * math.log(cut / (1 - cut))) / 4
            assert triggers == pytest.approx(np.mean([value < level for value in nothing]))
            assert misses == pytest.approx(np.mean([value >= level for value in calls]))


def test_the_threshold_lies_between_the_two_kinds_and_does_not_move_with_a_single_request():
    random = np.random.default_rng(0)
    nothing, calls = random.normal(0, 2, 60), random.normal(-5, 2, 240)

    def chosen(*more: tuple[float, str]) -> float:
        pairs = [(value, "none") for value in nothing] + [(value, "news") for value in calls] + list(more)
        return choose_threshold([(names(value), right) for value, right in pairs])

    assert probability(-4) < chosen() < probability(-1)
    odds = [math.log(one / (1 - one)) for one in (chosen(), chosen((-4.0, "none")), chosen((-1.0, "news")))]
    assert max(odds) - min(odds) < 0.2
    assert choose_threshold([(names(9.0), "none"), (names(8.0), "news")]) == 0.5  # higher ones would change nothing


def test_nothing_is_called_where_none_is_the_likeliest_name():
    found = scored({"a": RAIN, "d": "news()"}, **{key: {"names": names(-0.2), "threshold": 1.0} for key in "ad"})
    assert found.values["misses_gated"] == 100 and found.values["false_triggers_gated"] == 0
    found = scored({"a": RAIN, "d": "news()"}, **{key: {"names": names(-0.4), "threshold": 1.0} for key in "ad"})
    assert found.values["misses_gated"] == 0 and found.values["false_triggers_gated"] == 100


def test_the_names_are_renormalised_over_themselves():
    few = {"none": math.log(0.02), "weather": math.log(0.06)}
    assert shares(few)["weather"] == pytest.approx(0.75) and probability(none_log_odds(few)) == pytest.approx(0.25)
    assert choose_threshold([(few, "none")]) is None
