"""Wrong answers to the exercises of lab 08, each with what its message must say."""

from __future__ import annotations

import math


def mean(values):
    values = list(values)
    if not values:
        raise ValueError
    return sum(values) / len(values)


def neutral_and_copy(pairs):
    return mean(reply == "neutral" for _, reply in pairs), mean(user == reply for user, reply in pairs)


def of_users(pairs):
    return mean(user == "neutral" for user, _ in pairs), neutral_and_copy(pairs)[1]


def no_error(pairs):
    return neutral_and_copy(pairs) if pairs else (0.0, 0.0)


def all_of_the_piece(pieces):
    return [role == "assistant" for role, tokens in pieces for _ in tokens]


def without_the_end(pieces):
    mask = []
    for role, tokens in pieces:
        learned = role == "assistant"
        for token in tokens:
            learned = learned and token != "</s>"
            mask.append(learned)
    return mask


def by_tokens(pieces):
    mask, learned = [], False
    for role, tokens in pieces:
        for place, token in enumerate(tokens):
            learned = learned or (role == "assistant" and place == 0)
            mask.append(learned or (role == "user" and token == "</s>"))
            learned = learned and token != "</s>"
    return mask


def last_end(pieces):
    mask = []
    for role, tokens in pieces:
        last = max((place for place, token in enumerate(tokens) if token == "</s>"), default=len(tokens))
        mask += [role == "assistant" and place <= last for place in range(len(tokens))]
    return mask


def accuracy(pairs):
    return mean(asked == found for asked, found in pairs)


def recalls(pairs):
    asked = {one for one, _ in pairs}
    return [mean(found == one for wanted, found in pairs if wanted == one) for one in sorted(asked)]


def over_seven(pairs):
    return sum(recalls(pairs)) / 7


def over_found_too(pairs):
    if not pairs:
        raise ValueError
    return sum(recalls(pairs)) / len({one for pair in pairs for one in pair})


def no_pairs_no_control(pairs):
    return mean(recalls(pairs)) if pairs else 0.0


def normal(values):
    return [value / sum(values) for value in values]


def times(row, priors):
    return normal([value * prior for value, prior in zip(row, priors, strict=True)])


def not_normal(row, priors):
    return [value / prior for value, prior in zip(row, priors, strict=True)]


def largest_first(row, priors):
    return sorted(normal(not_normal(row, priors)), reverse=True)


def uncut(measured, recall, false_alarms):
    if recall <= false_alarms:
        raise ValueError
    return (measured - false_alarms) / (recall - false_alarms)


def cut(value):
    return min(1.0, max(0.0, value))


def no_alarms(measured, recall, false_alarms):
    return measured / recall


def any_judge(measured, recall, false_alarms):
    return cut((measured - false_alarms) / ((recall - false_alarms) or 1))


def raw(told, untold, strength):
    return [b + strength * (a - b) for a, b in zip(told, untold, strict=True)]


def log_softmax(values):
    top = max(values)
    total = top + math.log(sum(math.exp(value - top) for value in values))
    return [value - total for value in values]


def probabilities(told, untold, strength):
    return [math.exp(value) for value in log_softmax(raw(told, untold, strength))]


def swapped(told, untold, strength):
    return log_softmax(raw(untold, told, strength))


def overflows(told, untold, strength):
    values = raw(told, untold, strength)
    total = math.log(sum(map(math.exp, values)))
    return [value - total for value in values]


def margin(chosen, rejected, ref_chosen, ref_rejected, beta):
    return beta * ((chosen - ref_chosen) - (rejected - ref_rejected))


def softplus(value):
    return max(0.0, value) + math.log1p(math.exp(-abs(value)))


def no_reference(chosen, rejected, ref_chosen, ref_rejected, beta):
    return softplus(-beta * (chosen - rejected))


def other_order(*numbers):
    return softplus(margin(*numbers))


def plain_exp(*numbers):
    return math.log(1 + math.exp(-margin(*numbers)))


WRONG = [
    ("08.1", lambda pairs: neutral_and_copy(pairs)[::-1], "always neutral comes first"),
    ("08.1", of_users, "count the emotions of the replies"),
    ("08.1", no_error, "expected a ValueError"),
    ("08.2", all_of_the_piece, "Tokens behind the end of a reply are not supervised"),
    ("08.2", without_the_end, "The reply and its end are supervised"),
    ("08.2", by_tokens, "roles decide, not tokens"),
    ("08.2", last_end, "The first end of a reply counts"),
    ("08.3", accuracy, "in which a frequent emotion counts more"),
    ("08.3", over_seven, "a mean over all seven emotions"),
    ("08.3", over_found_too, "Half of fear and all of happiness"),
    ("08.3", no_pairs_no_control, "expected a ValueError"),
    ("08.4", times, "divide by the priors, do not multiply"),
    ("08.4", not_normal, "whose sum is not 1"),
    ("08.4", largest_first, "against 0.2 / 0.1"),
    ("08.5", uncut, "clip it"),
    ("08.5", no_alarms, "false alarms are not subtracted"),
    ("08.5", any_judge, "such a judge is useless"),
    ("08.6", raw, "does not sum to 1"),
    ("08.6", probabilities, "expected their logarithms"),
    ("08.6", swapped, "told and untold are swapped"),
    ("08.6", overflows, "ValueError"),
    ("08.7", no_reference, "the reference is left out"),
    ("08.7", other_order, "has to fall when the margin grows"),
    ("08.7", margin, "the margin itself"),
    ("08.7", plain_exp, "OverflowError"),
]
