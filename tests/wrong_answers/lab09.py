"""Wrong answers to the exercises of lab 09, each with what its message must say."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def visited(reads, wanted, before=True, once=True, turned=False):
    found = []

    def visit(step, above=()):
        if step in above:
            raise ValueError
        if once and step in found:
            return
        if not before:
            found.append(step)
        for other in reversed(reads[step]) if turned else reads[step]:
            visit(other, (*above, step))
        if before:
            found.append(step)

    visit(wanted)
    return found


def without_circles(reads, wanted):
    found = []
    for _ in range(50):
        for step in [wanted, *found]:
            found += [other for other in reads[step] if other not in found]
    return visited(reads, wanted) if len(found) < len(reads) or wanted not in found else []


def all_of_them(reads, wanted):
    visited(reads, wanted)
    found = []
    for step in reads:
        found += [one for one in visited(reads, step) if one not in found]
    return found


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def prints(value):
    return digest(json.dumps(value, sort_keys=True))


def runner(steps, given, cache, key=None, store=True, known=True):
    results, executed = dict(given) if known else {}, []
    everything = dict(given)
    for name, (inputs, function) in steps.items():
        read = {one: everything[one] for one in inputs}
        made = key(name, read, given) if key else (name, prints(read))
        if made not in cache:
            found = function(read)
            if store:
                cache[made] = found
            executed.append(name)
        else:
            found = cache[made]
        results[name] = everything[name] = found
    return results, executed


def keyed_by_name(steps, given, cache):
    return runner(steps, given, cache, lambda name, read, everything: name)


def keyed_by_all(steps, given, cache):
    return runner(steps, given, cache, lambda name, read, everything: (name, prints(everything)))


def shared(answer, reference):
    a, b = answer.lower().split(), reference.lower().split()
    both = len(set(a) & set(b))
    return 2 * both / (len(a) + len(b)) if both else 0.0


def lcs(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


def longest(answer, reference, lower=True, part="f", guard=True):
    a, b = (answer.lower().split(), reference.lower().split()) if lower else (answer.split(), reference.split())
    common = lcs(a, b)
    if guard and not common:
        return 0.0
    precision, recall = common / len(a), common / len(b)
    return {"f": 2 * precision * recall / (precision + recall), "p": precision, "r": recall}[part]


def substring(answer, reference):
    a, b = answer.lower().split(), reference.lower().split()
    places = [(i, n) for n in range(1, len(a) + 1) for i in range(len(a) - n + 1)]
    runs = [n for i, n in places if any(a[i : i + n] == b[j : j + n] for j in range(len(b)))]
    return 2 * max(runs, default=0) / (len(a) + len(b)) if runs else 0.0


def weights(queries, keys, mask, scale=1.0, hide=True, safe=True, axis=1):
    scores = queries @ keys.T / scale
    if hide:
        scores = np.where(np.asarray(mask, dtype=bool), scores, -np.inf)
    made = np.exp(scores - (scores.max(axis=axis, keepdims=True) if safe else 0))
    return made / made.sum(axis=axis, keepdims=True)


WRONG = [
    ("09.1", lambda reads, wanted: visited(reads, wanted, before=False), "got \\['saved'"),
    ("09.1", lambda reads, wanted: visited(reads, wanted, once=False), "got \\['a', 'b', 'a'"),
    ("09.1", lambda reads, wanted: visited(reads, wanted, turned=True), "got \\['base', 'data'"),
    ("09.1", all_of_them, "'saved', 'report'\\], expected"),
    ("09.1", lambda reads, wanted: visited(reads, wanted)[:-1], "got \\['data', 'base', 'fitted'\\]"),
    ("09.1", without_circles, "expected a ValueError"),
    ("09.2", lambda value: digest(json.dumps(value)), "two fingerprints"),
    ("09.2", lambda value: digest(str(value)), "1 and '1' have the same"),
    ("09.2", lambda value: str(hash(str(value))), "expected 64 hex digits"),
    ("09.2", lambda value: digest(f"x{json.dumps(value, sort_keys=True)}"), "not the SHA-256"),
    ("09.2", lambda value: digest("".join(sorted(json.dumps(value)))), "\\[1, 2\\] and \\[2, 1\\]"),
    ("09.3", keyed_by_name, "got \\[\\], expected \\['even'\\]"),
    (
        "09.3",
        keyed_by_all,
        "'size'\\], expected \\['even'\\]",
    ),
    (
        "09.3",
        lambda s, g, c: runner(s, g, c, store=False),
        "functions called: got \\['even', 'said', 'size'\\], expected \\[\\]",
    ),
    ("09.3", lambda s, g, c: runner(s, g, c, known=False), "including those that were given"),
    ("09.3", lambda s, g, c: runner(s, g, c)[0], "expected a pair"),
    ("09.3", lambda s, g, c: (runner(s, g, c)[0], list(s)), "ran before, executed"),
    ("09.4", shared, "The order counts"),
    ("09.4", substring, "need not be neighbours"),
    ("09.4", lambda a, b: longest(a, b, lower=False), "Upper and lower case"),
    ("09.4", lambda a, b: longest(a, b, part="p"), "got 1.0, expected 0.66"),
    ("09.4", lambda a, b: longest(a, b, part="r"), "got 0.5, expected"),
    ("09.4", lambda a, b: longest(a, b, guard=False), "ZeroDivisionError"),
    ("09.5", lambda q, k, m: weights(q, k, m, scale=2.0), "got \\[\\[0.327"),
    ("09.5", lambda q, k, m: weights(q, k, m, hide=False), "got \\[\\[0.247"),
    ("09.5", lambda q, k, m: weights(q, k, m, safe=False), "subtract the largest score"),
    ("09.5", lambda q, k, m: weights(q, k, m, axis=0), "got \\[\\[0.631"),
    ("09.5", lambda q, k, m: weights(q, k, m).T, "got shape"),
]
