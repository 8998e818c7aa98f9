"""Wrong answers to the exercises of lab 05, each with what its message must say."""

from __future__ import annotations

import ast
import json
import re


def written(value=json.dumps, order=sorted, between=", "):
    def write(function, arguments):
        return f"{function}({between.join(f'{name}={value(arguments[name])}' for name in order(arguments))})"

    return write


def as_it_is(text):
    return json.dumps(text, ensure_ascii=False)


def with_eval(text):
    try:
        name, _, rest = text.strip().partition("(")
        return name, eval(f"dict({rest}", {"__builtins__": __builtins__})
    except Exception as error:
        raise ValueError("no call") from error


def reader(kind=ast.Constant, texts=True, twice=True, positional=True, names=True):
    """Return a reader of calls with a hole."""

    def read(text):
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise ValueError("syntax") from error
        if not isinstance(tree, ast.Call) or (positional and tree.args):
            raise ValueError("not a call")
        if names and not isinstance(tree.func, ast.Name):
            raise ValueError("not a name")
        found = {}
        for keyword in tree.keywords:
            if keyword.arg is None or (twice and keyword.arg in found):
                raise ValueError("twice")
            if not isinstance(keyword.value, kind) or (texts and not isinstance(keyword.value.value, str)):
                raise ValueError("no text")
            found[keyword.arg] = keyword.value.value
        return ast.unparse(tree.func), found

    return read


def by_pattern(text):
    found = re.search(r"(\w+)\((.*)\)", text)
    if not found:
        raise ValueError("no call")
    return found[1], {name: value for name, value in re.findall(r'(\w+)=["\'](.*?)["\']', found[2])}


def lets_syntax_errors_out(text):
    ast.parse(text.strip(), mode="eval")
    return reader()(text)


def returns_none(text):
    try:
        return reader()(text)
    except ValueError:
        return None


def updated(state, calls, replace=True, prefix=True, tidy=True, alias=False):
    new = state if alias else {service: dict(slots) for service, slots in state.items()}
    for function, arguments in calls:
        verb, _, service = function.partition("_")
        old = new.get(service, {})
        kept = {s: v for s, v in old.items() if s.startswith("book") != (verb == "book")} if replace else old
        head = "book" if verb == "book" and prefix else ""
        new[service] = kept | {head + name: value for name, value in arguments.items()}
    return {service: slots for service, slots in new.items() if slots} if tidy else new


def forgets_bookings(state, calls):
    new = {service: dict(slots) for service, slots in state.items()}
    for function, arguments in calls:
        verb, _, service = function.partition("_")
        new[service] = {("book" if verb == "book" else "") + n: v for n, v in arguments.items()}
    return {service: slots for service, slots in new.items() if slots}


def found(rows, constraints, times=True, skip=("dontcare",), unknown=True, need=all, strict=False):
    def meets(row, slot, value):
        if times and slot == "leaveat":
            return row[slot] > value if strict else row[slot] >= value
        if times and slot == "arriveby":
            return row[slot] < value if strict else row[slot] <= value
        return row.get(slot) == value

    kept = {s: v for s, v in constraints.items() if v not in skip and (not unknown or s in rows[0])}
    return [row for row in rows if need([meets(row, slot, value) for slot, value in kept.items()])]


def accuracy(predicted, gold, variants, same=None, nothing=("dontcare", "none", "not mentioned", ""), checked=True,
             lower=True, both=True, pairs=True):  # fmt: skip
    if checked and (not gold or len(gold) != len(predicted)):
        raise ValueError("turns")

    def clean(state, ours):
        kept = {}
        for service, slots in state.items():
            for slot, value in slots.items():
                value = value.strip().lower() if lower else value
                if value not in nothing:
                    kept[(service, slot) if pairs else slot] = variants.get(value, value) if ours or both else value
        return kept

    same = same or (lambda ours, truth: ours == truth)
    right = [same(clean(p, True), clean(g, False)) for p, g in zip(predicted, gold, strict=False)]
    return sum(right) / len(right) if right else 0.0


def a_share_of_slots(predicted, gold, variants):
    hits = sum(
        p.get(d, {}).get(s) == v for p, g in zip(predicted, gold, strict=True) for d in g for s, v in g[d].items()
    )
    total = sum(len(slots) for g in gold for slots in g.values())
    return hits / total if total else 1.0


def sets(states, service=True):
    return [{(d if service else "", s, v) for d, slots in state.items() for s, v in slots.items()} for state in states]


def counted(predicted, gold, service=True, swapped=False, guard=True):
    ours, truth = sets(predicted, service), sets(gold, service)
    hits = sum(len(p & g) for p, g in zip(ours, truth, strict=True))
    said, right = sum(map(len, ours)), sum(map(len, truth))
    precision = hits / said if said or not guard else 0.0
    recall = hits / right if right or not guard else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return (recall, precision, f1) if swapped else (precision, recall, f1)


def mean_of_turns(predicted, gold):
    each = [counted([p], [g]) for p, g in zip(predicted, gold, strict=True)]
    return tuple(sum(column) / len(each) for column in zip(*each, strict=True))


def names_only(predicted, gold):
    strip = [{d: dict.fromkeys(slots, "") for d, slots in state.items()} for state in (*predicted, *gold)]
    return counted(strip[: len(predicted)], strip[len(predicted) :])


def fits(call, wanted):
    return (
        call[0] == wanted[0]
        and call[1].keys() == wanted[1].keys()
        and all(value in wanted[1][name] for name, value in call[1].items())
    )


def greedy(calls, expected):
    left = list(calls)
    for wanted in expected:
        partner = next((call for call in left if fits(call, wanted)), None)
        if partner is None:
            return False
        left.remove(partner)
    return not left


def in_order(calls, expected):
    return len(calls) == len(expected) and all(map(fits, calls, expected))


def any_partner(calls, expected):
    return len(calls) == len(expected) and all(any(fits(call, wanted) for wanted in expected) for call in calls)


def no_count(calls, expected):
    return all(any(fits(call, wanted) for call in calls) for wanted in expected)


def first_value(calls, expected):
    return greedy(calls, [(name, {n: values[:1] for n, values in wanted.items()}) for name, wanted in expected])


def more_arguments(calls, expected):
    def loose(call, wanted):
        return call[0] == wanted[0] and all(call[1].get(name) in values for name, values in wanted[1].items())

    return len(calls) == len(expected) and all(any(loose(call, wanted) for call in calls) for wanted in expected)


def wrong_slots(predicted, gold, gold_only=False, values=False):
    found = []
    for ours, truth in zip(predicted, gold, strict=True):
        slots = {(d, s) for state in ((truth,) if gold_only else (ours, truth)) for d in state for s in state[d]}
        wrong = {(d, s) for d, s in slots if ours.get(d, {}).get(s) != truth.get(d, {}).get(s)}
        found.append({(d, s, ours.get(d, {}).get(s)) for d, s in wrong} if values else wrong)
    return found


def pairs(predicted, gold, ever=False, **slips):
    result, before = [], set()
    for wrong in wrong_slots(predicted, gold, **slips):
        result.append((len(wrong - before), len(wrong & before)))
        before = before | wrong if ever else wrong
    return result


WRONG = [
    ("05.1", written(value=repr), "double quotes"),
    ("05.1", written(value=as_it_is, order=list), "got .find_hotel\\(stars"),
    ("05.1", written(value=lambda text: f'"{text}"'), "quote inside a value"),
    ("05.1", written(), "accents stay as they are"),
    ("05.1", written(value=as_it_is, between=","), "north\",stars"),
    ("05.2", with_eval, "executed the text of a model"),
    ("05.2", lets_syntax_errors_out, "SyntaxError, expected ValueError"),
    ("05.2", returns_none, "got None, expected a ValueError"),
    ("05.2", by_pattern, "copper.*expected"),
    ("05.2", reader(texts=False), "a number"),
    ("05.2", reader(positional=False), "a value without a name"),
    ("05.2", reader(twice=False), "an argument given twice"),
    ("05.2", reader(names=False), "a dotted name"),
    ("05.3", lambda state, calls: updated(state, calls, replace=False), "removed from the state"),
    ("05.3", lambda state, calls: updated(state, calls, prefix=False), "is the slot bookday"),
    ("05.3", lambda state, calls: updated(state, calls, tidy=False), "without slots is not in the state"),
    ("05.3", lambda state, calls: updated(state, calls, alias=True), "altered the state"),
    ("05.3", forgets_bookings, "other services stay"),
    ("05.4", lambda rows, wanted: found(rows, wanted, times=False), "at or after"),
    ("05.4", lambda rows, wanted: found(rows, wanted, strict=True), "got .*expected.*(all constraints|met exactly)"),
    ("05.4", lambda rows, wanted: found(rows, wanted, skip=()), "dontcare constrains nothing"),
    ("05.4", lambda rows, wanted: found(rows, wanted, unknown=False), "without a column"),
    ("05.4", lambda rows, wanted: found(rows, wanted, need=any), "every row matches"),
    ("05.5", a_share_of_slots, "wrong as a whole"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, same=lambda a, b: b.items() <= a.items()), "one slot too many"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, nothing=("none", "")), "dontcare counts as no value"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, nothing=("dontcare",)), "empty text count as no value"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, lower=False), "case and outer spaces"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, both=False), "on both sides"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, pairs=False), "slot of another service"),
    ("05.5", lambda p, g, v: accuracy(p, g, v, checked=False), "zip would lose"),
    ("05.5", lambda p, g, v: 100 * accuracy(p, g, v), "between 0 and 1"),
    ("05.6", lambda p, g: counted(p, g, swapped=True), "are swapped"),
    ("05.6", lambda p, g: counted(p, g, service=False), "belong to their service"),
    ("05.6", lambda p, g: counted(p, g, guard=False), "ZeroDivisionError"),
    ("05.6", mean_of_turns, "count over all turns"),
    ("05.6", names_only, "not a hit"),
    ("05.7", in_order, "order of the calls"),
    ("05.7", greedy, "try all pairings"),
    ("05.7", any_partner, "each one needs its own"),
    ("05.7", no_count, "a call too many"),
    ("05.7", first_value, "every accepted value"),
    ("05.7", more_arguments, "an argument too many"),
    ("05.8", lambda p, g: pairs(p, g, ever=True), "after a correct turn"),
    ("05.8", lambda p, g: pairs(p, g, gold_only=True), "a slot too many"),
    ("05.8", lambda p, g: pairs(p, g, values=True), "still the same slot"),
    ("05.8", lambda p, g: [(len(wrong), 0) for wrong in wrong_slots(p, g)], "stays wrong"),
]  # fmt: skip
