"""What `show` draws or prints for the answers of the solutions."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lab_lib.corpora.load import load_corpus
from lab_lib.course import show
from lab_lib.prompts.encode import Example
from tests.course_answers import right_answers
from tests.wrong_answers.lab05 import accuracy


@pytest.fixture
def shown(capsys):
    """Show the right answer to an exercise; return what was printed."""

    def run(exercise: str, *given) -> str:
        show(exercise, right_answers(exercise[:2])[exercise], *given)
        return capsys.readouterr().out

    return run


@pytest.fixture
def drawn(shown):
    """Draw with the right answer to an exercise; fails unless one picture is shown."""
    pytest.importorskip("matplotlib")

    def run(exercise: str, *given) -> None:
        assert shown(exercise, *given).count("Image") == 1  # what IPython writes instead of a picture

    return run


@pytest.fixture(scope="module")
def town():
    return load_corpus("town")


def test_lab_00(shown, capsys):
    from lab_lib.course.checks.lab00 import SHOWS

    printed = "".join(shown(exercise, *([[0.9, 0.5, 0.6]] if exercise == "00.2" else [])) for exercise in SHOWS)
    assert "seed 0" in printed


def test_lab_01_prints_a_dialogue_turn_by_turn(shown, town):
    printed = "".join(shown(exercise, town.splits["test"][0]) for exercise in ("01.2", "01.3", "01.4"))
    assert "restaurant: area=station, pricerange=expensive" in printed and "  -> Yes, [name] fits." in printed


def test_lab_01_prints_stretches_as_text(shown):
    class Letters:
        def decode(self, ids):
            return "".join(map(chr, ids))

    assert shown("01.7", Example((104, 105, 33), (True, True, False), "x", 0, 0), Letters()) == "'hi'\n"


def test_lab_01_draws_lengths(drawn, town):
    drawn("01.5", town.splits["dev"])


def test_lab_02_draws_scores(drawn, town, capsys):
    from lab_lib.evaluation.baselines import random_replies
    from lab_lib.evaluation.mwz import MwzScorer
    from lab_lib.evaluation.mwz_scores import main_scores

    counts = np.array([[1, 1], [0, 1], [1, 1]])
    draws = np.array([[0, 1, 2], [0, 0, 1]])
    show("02.1", right_answers("02")["02.1"], "a b c d", "a b c e")
    assert "Image" in capsys.readouterr().out
    drawn("02.2")
    drawn("02.7", counts, lambda sums: sums[0] / sums[1], draws)
    scored = MwzScorer.from_corpus(town, "dev").score(
        random_replies(town.splits["dev"], town.splits["train"]), resamples=0
    )
    drawn("02.8", scored.counts[:3], scored.counts[:3], main_scores, draws)


def test_lab_05_prints_calls_and_venues(shown, town):
    printed = shown("05.2", ['find_hotel(area="north")', "find_hotel(area=north)"])
    assert re.search(r"-> \('find_hotel', .*\n.*refused: area: expected a text", printed)
    rows = {
        service: [{k.lower(): v for k, v in row.items()} for row in rows] for service, rows in town.database.items()
    }
    assert "   0 of 40  restaurant: area=hillside, food=moroccan" in shown("05.4", rows, town.splits["test"][1])


def test_lab_05_draws_states(drawn, capsys):
    gold = {str(n): [{}, {"hotel": {"area": "north"}}] for n in range(6)}
    own = {key: [{}, {}] for key in gold}
    show("05.3", {"Inform": [100, 50]}, (0, 0.5))
    show("05.5", lambda *answer: accuracy(*answer), {"own": own, "gold": gold}, gold)
    assert capsys.readouterr().out.count("Image") == 2
    drawn("05.8", own, gold)


def test_lab_20_draws_sizes(drawn, capsys):
    pytest.importorskip("peft")
    from lab_lib.course.checks.lab20 import llama

    large = llama(vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_attention_heads=32, head_dim=128)
    shapes = {"large": large, "grouped": {**large, "num_key_value_heads": 8}}
    drawn("20.1", shapes)
    count, memory = right_answers("20")["20.1"], right_answers("20")["20.4"]
    show("20.4", lambda shape, method: memory(10, count(shape)), shapes)
    assert capsys.readouterr().out.count("Image") == 1
    drawn("20.5", shapes)
    drawn("20.6", {"bytes": lambda text: list(text.encode())}, {"one": ["a b"], "two": ["é"]})


def test_lab_20_draws_a_merge(drawn):
    torch = pytest.importorskip("torch")
    pytest.importorskip("bitsandbytes")
    generator = torch.Generator().manual_seed(0)
    drawn("20.8", *(torch.randn(*size, generator=generator) for size in ((64, 64), (2, 64), (64, 2))), 4)


def test_lab_21_prints_a_header_and_shares(shown):
    assert "mem              8G" in shown("21.1", "#!/bin/bash\n#SBATCH --mem=8G\n")
    assert "4 tasks: 0 4 8 | 1 5 9 | 2 6 | 3 7" in shown("21.4")
    assert shown("21.5")


def test_lab_06_prints_what_a_parser_refuses_and_what_a_mask_allows(shown):
    printed = shown("06.2", "### User: hi\n### Assistant: f()\nUser: ho")
    assert "  3  User: ho" in printed and "refused: line 3" in printed
    assert "read: 'hi' -> f()" in shown("06.2", "### User: hi\n### Assistant: f()")
    printed = shown("06.4", ["", "li", "light", "()", "x"], ["light()"])
    assert "''             may go on with li, light" in printed and "'li'           may go on with nothing" in printed
    assert "'light()'      may go on with EOS" in shown("06.4", ["", "light", "()"], ["light()"])


def test_lab_06_draws_false_triggers_against_misses(drawn):
    drawn("06.6", [0.9, 0.4, 0.1], [True, True, False], 0.3)


def test_lab_08_prints_what_is_in_the_loss_and_draws_guidance(shown, drawn):
    printed = shown("08.2", [("user", ["hi"]), ("assistant", ["yes", "</s>", "\n"])])
    assert "user       hi\n" in printed and "assistant  _yes_ _</s>_ \\n" in printed
    drawn("08.6", ["oh", "no"], [0.6, 0.4], [0.2, 0.8])


def test_lab_22_prints_neighbours_once_a_text(shown, town):
    from lab_lib.structure.utterances import utterances

    said = utterances(town.splits["dev"][:3])
    vectors = np.eye(len(said))
    vectors[1] = vectors[0] * 0.6 + vectors[1] * 0.8
    assert f"   0.60  {said[1].text}" in shown("22.1", vectors, said, (0,))


def test_lab_22_draws_clusters(drawn, capsys):
    show("22.4", right_answers("22")["22.3"], right_answers("22")["22.4"])
    assert capsys.readouterr().out.count("Image") == 1
    drawn("22.6", [[0, 1], [1]], 2)
