"""Checks of lab 08: labels alone, a loss mask, balanced control, a judge's priors and errors, guidance, a DPO pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, equal, near, refuse_traps, refuses
from lab_lib.course.checks.lab08_shows import SHOWS as SHOWS

NEUTRAL, FEAR, ANGER, JOY = "neutral", "fear", "anger", "happiness"
PAIRS = [
    ([(NEUTRAL, NEUTRAL), (FEAR, NEUTRAL), (JOY, JOY), (ANGER, FEAR), (NEUTRAL, ANGER)], "Shares of all pairs"),
    ([(NEUTRAL, FEAR), (NEUTRAL, ANGER)], "Both shares may be 0"),
    ([(FEAR, FEAR)], "One pair is enough"),
]


def trivial(answer: Any) -> None:
    for pairs, why in PAIRS:
        given = f"pairs={pairs}"
        neutral = sum(reply == NEUTRAL for _, reply in pairs) / len(pairs)
        copied = sum(user == reply for user, reply in pairs) / len(pairs)
        got = call(answer, list(pairs), given=given)
        if neutral != copied and near(got, (copied, neutral)):
            raise Wrong(f"for {given}: got {brief(got)}; always neutral comes first, copying second")
        users = sum(user == NEUTRAL for user, _ in pairs) / len(pairs)
        if users != neutral and near(got, (users, copied)):
            raise Wrong(f"for {given}: got {brief(got)}; count the emotions of the replies, not those of the users")
        close(got, (neutral, copied), given=given, tolerance=1e-9, why=why)
    refuses(answer, [], given="pairs=[]")


END = "</s>"
MASKED = [
    ([("user", ["hi"]), ("assistant", ["yes", END])], "The reply and its end are supervised"),
    ([("user", ["hi"]), ("assistant", ["yes", END, "\n"]), ("user", ["ho"]), ("assistant", ["no", END])],
     "Tokens behind the end of a reply are not supervised, and the next reply has its own end"),
    ([("user", ["ha", END, "ha"]), ("assistant", ["no", END])], "A user may write </s> too: roles decide, not tokens"),
    ([("assistant", ["a", END, "b", END])], "The first end of a reply counts"),
    ([("assistant", ["cut", "off"])], "A reply without an end is supervised to its last token"),
    ([], "Without pieces the mask is empty"),
]  # fmt: skip


def role_mask(answer: Any) -> None:
    for pieces, why in MASKED:
        given, expected = f"pieces={pieces}", list[bool]()
        for role, tokens in pieces:
            last = tokens.index(END) if END in tokens else len(tokens)
            expected += [role == "assistant" and place <= last for place in range(len(tokens))]
        got = call(answer, [(role, list(tokens)) for role, tokens in pieces], given=given)
        equal(list(got) if isinstance(got, tuple) else got, expected, given=given, why=why)


ASKED: list[tuple[list[tuple[str, str]], str]] = [
    ([(FEAR, FEAR), (FEAR, NEUTRAL), (JOY, JOY), (JOY, JOY)], "Half of fear and all of happiness"),
    ([(NEUTRAL, NEUTRAL)] * 8 + [(FEAR, NEUTRAL), (ANGER, NEUTRAL)], "Every emotion counts equally, however frequent"),
    ([(FEAR, ANGER)], "Emotions that were found, but never asked for, do not count"),
    ([(JOY, JOY)], "Emotions that nobody asked for do not count"),
]


def control(answer: Any) -> None:
    for pairs, why in ASKED:
        given, asked = f"pairs={pairs}", sorted({one for one, _ in pairs})
        each = [float(np.mean([found == one for wanted, found in pairs if wanted == one])) for one in asked]
        expected, got = float(np.mean(each)), call(answer, list(pairs), given=given)
        accuracy = float(np.mean([one == other for one, other in pairs]))
        traps = {
            accuracy: "the accuracy, in which a frequent emotion counts more",
            sum(each) / 7: "a mean over all seven emotions; those that nobody asked for do not count",
        }
        refuse_traps(got, {value: text for value, text in traps.items() if abs(value - expected) > 1e-6}, given)
        close(got, expected, given=given, tolerance=1e-9, why=why)
    refuses(answer, [], given="pairs=[]")


ROWS = [
    ([0.8, 0.2], [0.9, 0.1], "0.8 / 0.9 against 0.2 / 0.1"),
    ([0.7, 0.2, 0.1], [0.5, 0.25, 0.25], "Three emotions"),
    ([0.5, 0.5], [0.5, 0.5], "Even priors change nothing"),
    ([1.0, 0.0], [0.9, 0.1], "A probability of 0 stays 0"),
]


def even(answer: Any) -> None:
    for row, priors, why in ROWS:
        given = f"row={row}, priors={priors}"
        shifted = np.array(row) / priors
        got = call(answer, list(row), list(priors), given=given)
        times = np.array(row) * priors
        if row != [0.5, 0.5] and row[1] and near(got, times / times.sum()):
            raise Wrong(f"for {given}: got {brief(got)}; divide by the priors, do not multiply")
        if abs(shifted.sum() - 1) > 1e-6 and near(got, shifted):
            raise Wrong(f"for {given}: got {brief(got)}, whose sum is not 1")
        close(got, shifted / shifted.sum(), given=given, tolerance=1e-9, why=why)


SHARES = [
    (0.4, 0.6, 0.1, "0.3 of 0.5"),
    (0.6, 0.6, 0.1, "The share is 1: the judge misses the rest"),
    (0.1, 0.6, 0.1, "The share is 0: all that was found are false alarms"),
    (0.05, 0.6, 0.1, "Below the false alarms: clip to 0"),
    (0.9, 0.6, 0.1, "Above the recall: clip to 1"),
    (0.3, 1.0, 0.0, "A judge without errors needs no correction"),
]


def true_share(answer: Any) -> None:
    for measured, recall, alarms, why in SHARES:
        given = f"measured={measured}, recall={recall}, false_alarms={alarms}"
        raw = (measured - alarms) / (recall - alarms)
        got = call(answer, measured, recall, alarms, given=given)
        expected = min(1.0, max(0.0, raw))
        traps = {raw: "a share below 0 or above 1; clip it", measured / recall: "false alarms are not subtracted"}
        refuse_traps(got, {value: text for value, text in traps.items() if abs(value - expected) > 1e-6}, given)
        close(got, expected, given=given, tolerance=1e-9, why=why)
    for recall, alarms in ((0.1, 0.1), (0.1, 0.3)):
        refuses(answer, 0.2, recall, alarms, given=f"recall={recall}, false_alarms={alarms} (such a judge is useless)")


def logs(*shares: float) -> list[float]:
    return [math.log(share) for share in shares]


GUIDED = [
    (logs(0.6, 0.4), logs(0.5, 0.5), 1.0, "Strength 1 is the told model"),
    (logs(0.6, 0.4), logs(0.2, 0.8), 0.0, "Strength 0 is the untold model"),
    (logs(0.6, 0.4), logs(0.5, 0.5), 3.0, "Above 1 the request counts more; normalise again"),
    (logs(0.2, 0.3, 0.5), logs(0.1, 0.6, 0.3), 2.0, "Three tokens"),
    ([-5000.0, -5001.0], [-5000.0, -5003.0], 2.0, "exp(-5000) is 0: subtract the largest before exp"),
]


def guided(answer: Any) -> None:
    for told, untold, strength, why in GUIDED:
        given = f"told={brief(told)}, untold={brief(untold)}, strength={strength}"
        raw = np.array(untold) + strength * (np.array(told) - untold)
        expected = raw - raw.max() - math.log(np.exp(raw - raw.max()).sum())
        got = call(answer, list(told), list(untold), strength, given=given)
        if not near(raw, expected, 1e-6) and near(got, raw):
            raise Wrong(f"for {given}: got {brief(got)}; their exp does not sum to 1; normalise them")
        if near(got, np.exp(expected)):
            raise Wrong(f"for {given}: got {brief(got)}, probabilities; expected their logarithms")
        other = np.array(told) + strength * (np.array(untold) - told)
        other = other - other.max() - math.log(np.exp(other - other.max()).sum())
        if not near(other, expected) and near(got, other):
            raise Wrong(f"for {given}: got {brief(got)}, which leads away from it: told and untold are swapped")
        close(got, expected, given=given, tolerance=1e-9, why=why)


DPO = [
    (-10.0, -12.0, -10.0, -12.0, 0.1, "At the beginning the margin is 0 and the loss log 2"),
    (-8.0, -15.0, -10.0, -12.0, 0.1, "The chosen one rose by 2, the rejected one fell by 3: m = 0.5"),
    (-15.0, -25.0, -10.0, -12.0, 0.1, "Both fell, the rejected one further: the loss falls too"),
    (-12.0, -10.0, -10.0, -12.0, 0.5, "A negative margin: the loss is above log 2"),
    (-9010.0, 0.0, -10.0, -1000.0, 0.5, "m is -5000: the loss is 5000, not infinite"),
    (0.0, -9000.0, -10.0, -10.0, 1.0, "m is large: the loss is 0"),
]


def dpo(answer: Any) -> None:
    for chosen, rejected, ref_chosen, ref_rejected, beta, why in DPO:
        numbers = dict(chosen=chosen, rejected=rejected, ref_chosen=ref_chosen, ref_rejected=ref_rejected, beta=beta)
        given = ", ".join(f"{name}={value}" for name, value in numbers.items())
        m = beta * ((chosen - ref_chosen) - (rejected - ref_rejected))
        got = call(answer, *numbers.values(), given=given)
        expected, without = _softplus(-m), _softplus(-beta * (chosen - rejected))
        traps = {
            without: "the reference is left out",
            _softplus(m): "the loss of the swapped pair: it has to fall when the margin grows",
            m: "the margin itself; the loss is -log(1 / (1 + exp(-m)))",
        }
        refuse_traps(got, {value: text for value, text in traps.items() if abs(value - expected) > 1e-6}, given)
        close(got, expected, given=given, tolerance=1e-6, why=why)


def _softplus(value: float) -> float:
    return max(0.0, value) + math.log1p(math.exp(-abs(value)))


CHECKS = {
    "08.1": Exercise("what labels alone give", trivial, "Two counts over the same pairs, divided by their number."),
    "08.2": Exercise("the loss mask", role_mask, "Loop over the tokens of a piece and remember whether its end came."),
    "08.3": Exercise("balanced control", control, "Collect the hits in a dict, keyed by the emotion asked for."),
    "08.4": Exercise("even priors", even, "Divide first, then divide by the sum of what you have."),
    "08.5": Exercise("the share behind a measured one", true_share, "Solve the equation for p."),
    "08.6": Exercise("guidance", guided, "log of the sum of exp: subtract the largest value first, add it back last."),
    "08.7": Exercise("the loss of a pair", dpo, "log(1 + exp(-m)); for m below 0 it is -m + log(1 + exp(m))."),
}
