"""Closure: every gold call is in the grammar, everything in the grammar passes the validator and has one text."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from chat_templates import SHAPES, chat_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from some_calls import calls
from tiny_models import tiny_llama, tiny_neox, tiny_tokenizer

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import NONE, call_text, check_call, read_call
from lab_lib.calls.skills.grammar import value_schema
from lab_lib.calls.skills.lark import Request, call_grammar, is_offered, longest_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.text_regex import is_said
from lab_lib.corpora.chats.types import Said
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding import grammar as room
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import decode_batch
from lab_lib.decoding.strategies import STRATEGIES
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Prompt, answer_text
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_answers import request
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_data import SkillItem

pytest.importorskip("llguidance", reason="constrained decoding needs the extra `constrained`")

HOME = load_skills(["home"])
# Parameters of every kind: what a pattern can say, defaults of all types, an optional one before a required one.
YAML = r"""
odd:
  description: D.
  parameters:
    first: {type: integer, minimum: -12, maximum: 105, default: 7}
    code: {type: string, pattern: '(?:[^a-y"]|\\d\W{1,2}?|[\w.-]+|x|.\s)', maxLength: 6}
    text: {type: string, maxLength: 3, default: 'a"b'}
    share: {type: number, minimum: -0.00012, maximum: 1.5}
    pieces: {type: array, items: {type: number, minimum: 0, maximum: 2000}, maxItems: 2, default: null}
    way: {type: string, enum: ["/a/", 'b"c', "d\\"], default: "/a/"}
    only: {type: integer, enum: [3], default: 3}
    yes: {type: boolean, default: true}
empty: {description: D.}
far: {description: D., parameters: {x: {type: number}, y: {type: integer}}}
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    path = tmp_path_factory.mktemp("skills") / "odd.yaml"
    path.write_text(YAML)
    return load_skills([path])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def grammars(odd, tokenizer):
    return [(skills, room.Grammar(call_grammar(skills), tokenizer)) for skills in (HOME, odd)]


def written(constraint, ids, eos) -> bool:
    """Return whether each token of an answer is allowed after those before it, EOS alone at its end."""
    steps = ((constraint.allowed(ids[:place]), token) for place, token in enumerate(ids))
    return all(token in allowed and (token != eos or list(allowed) == [eos]) for allowed, token in steps)


def accepts(grammar, text: str, tokenizer) -> bool:
    try:
        return list(grammar.constraint().allowed(tokenizer(text, add_special_tokens=False)["input_ids"])) == [
            tokenizer.eos_token_id
        ]
    except LabError:
        return False


@pytest.mark.parametrize("place", [0, 1])
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_call_is_in_the_grammar(place, grammars, tokenizer, data):
    skills, grammar = grammars[place]
    call = check_call(data.draw(calls(skills)), skills)
    assert accepts(grammar, call_text(call), tokenizer)
    assert len(call_text(call).encode()) <= longest_call(skills)


@pytest.mark.parametrize("place", [0, 1])
@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_everything_in_the_grammar_passes_the_validator_and_is_written_the_same_again(place, grammars, tokenizer, rng):
    skills, grammar = grammars[place]
    text = walk(grammar.constraint(), tokenizer, rng)
    call = read_call(text, skills)
    assert call_text(call) == text and check_call(call, skills) == call


def walk(constraint, tokenizer, rng: random.Random) -> str:
    """Return a random text of a grammar; ends of texts and calls are likelier than letters, so that it ends."""
    ids: list[int] = []
    enders = [token for sign in '")]' for token in tokenizer(sign, add_special_tokens=False)["input_ids"]]
    while tokenizer.eos_token_id not in ids:
        allowed = constraint.allowed(ids)
        ends = [token for token in enders if token in allowed]
        ids.append(rng.choice(ends) if ends and rng.random() < 0.3 else rng.choice(list(allowed)))
    return tokenizer.decode(ids[:-1])


REFUSED = {
    "[a-z](?=b)": "a lookahead or lookbehind", r"(a)\1": "a repeated group", r"a\bb": "an edge inside it",
    "(?i)a": "flags", "a(?i:b)": "flags",
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "said"), REFUSED.items(), ids=list(REFUSED))
def test_a_pattern_that_no_grammar_can_say_is_refused_by_name(pattern, said, tmp_path):
    (tmp_path / "s.yaml").write_text(
        f"f: {{description: D., parameters: {{x: {{type: string, pattern: '{pattern}'}}}}}}"
    )
    with pytest.raises(LabError, match=rf"^f, parameter x: pattern .*({said}) cannot be in a grammar$"):
        call_grammar(load_skills([tmp_path / "s.yaml"]))


WORDS = 'Tell "Zoë O\'Hare" in 東京, São Paulo: back\\slash 😀!'


@pytest.mark.parametrize(("text", "in_it"), [
    ('"Zoë O\'Hare"', True), ("東京", True), ("São Paulo", True), ("back\\slash 😀!", True), (WORDS, True),
    ("O'Hare", True), ("tell", True), ("Paul", False), (" in", False), ("São  Paulo", False), ("Osaka", False),
    ("", False),
])  # fmt: skip
def test_texts_that_have_to_be_said_are_runs_of_words(text, in_it, tokenizer):
    grammar = room.Grammar(call_grammar(HOME, said=Request(WORDS)), tokenizer)
    assert accepts(grammar, call_text(Call("play_music", {"title": text})), tokenizer) is is_said(text, WORDS) is in_it
    assert not in_it or accepts(grammar, call_text(Call("add_to_list", {"items": ["in", text]})), tokenizer)
    assert accepts(grammar, 'set_alarm(time="07:30")', tokenizer), "no time is said: it may be any"


SAID = Request("a b", (2.5, 3.0, 5.0, 20.0), (60.0,), ("07:30", "19:30"), ("2.5", "3", "20"))


@pytest.mark.parametrize(("call", "in_it"), [
    ("set_timer(minutes=60)", True), ("set_timer(minutes=20)", False), ("news(count=3)", True), ("news()", True),
    ("news(count=5)", False), ("convert(amount=2.5, unit=\"kg\", to=\"pounds\")", True), ("news(count=2)", False),
    ("set_alarm(time=\"19:30\")", True), ("set_alarm(time=\"07:31\")", False),
    ("calculate(expression=\"3*(20-2.5)\")", True), ("calculate(expression=\"3*(2-20)\")", False),
])  # fmt: skip
def test_numbers_and_times_that_have_to_be_said_are_those_that_a_parameter_accepts(call, in_it, tokenizer):
    assert accepts(room.Grammar(call_grammar(HOME, said=SAID), tokenizer), call, tokenizer) is in_it
    parsed = read_call(call, HOME)
    offered = all(
        is_offered(parsed.arguments[one.name], one.name, value_schema(one.raw), SAID)
        for one in HOME[parsed.name].function.parameters
        if one.name in parsed.arguments and one.raw.get("default") != parsed.arguments[one.name]
    )
    assert offered is in_it or call == "news(count=5)", "5 is the default: it is left out"
    none_fits = room.Grammar(call_grammar(HOME, said=Request("a b", (2e9,), (0.5,), ("tonight",), ())), tokenizer)
    assert call == "news(count=5)" or accepts(none_fits, call, tokenizer), "nothing that is said fits: any value may be"


@pytest.mark.parametrize("text", ["1/" + "9" * 6000, "1" * 20_000, "\ud800 one", "3/0 hours", "1 " * 5000, "\x00 ² ٣"])
def test_no_request_is_too_odd_to_look_for_its_values(text):
    asked = SkillItem("odd", (Said("user", text),), NONE, HOME)
    found = request(asked)
    assert found.words == text and all(isinstance(one, float) for one in (*found.numbers, *found.minutes))


def test_without_none_a_skill_has_to_be_called(tokenizer):
    grammar = room.Grammar(call_grammar(HOME, none=False), tokenizer)
    assert not accepts(grammar, "none()", tokenizer) and accepts(grammar, "news()", tokenizer)


# ---- in a model's vocabulary --------------------------------------------------------------------------------------
def task(tokens: int = 64, template: str = "plain", **settings) -> SkillsTask:
    config = SkillsConfig("skills", answers="constrained")
    return SkillsTask(
        config, DataConfig("home"), PromptConfig(template=template), DecodeConfig(max_new_tokens=tokens, **settings)
    )


CALLS = [
    'weather(location="O\'Hare")', 'weather(location="São Paulo", day="tomorrow")', "none()",
    'translate(text="say \\"東京\\" \\\\ 🎉", language="Japanese")', 'calculate(expression="9*9")',
    'add_to_list(items=["milk", "x"])', 'convert(amount=2.5, unit="km", to="miles")',
    'set_alarm(time="06:30", repeat=True)',
]  # fmt: skip


# Spaces around an answer, pieces that carry their space, tokens for white space, ChatML; the prompts of all templates
# are compared in tests/test_tasks_skills.py.
@pytest.mark.parametrize("name", ["plain", "llama2", "gemma", "smollm"])
def test_what_a_model_learns_is_what_it_may_write_in_a_template(name, tokenizer):
    tokens = chat_tokenizer(SHAPES[name]) if name in SHAPES else tokenizer
    one = task(template="chat" if name in SHAPES else "plain")
    item = one.item_from({"messages": [{"role": "user", "content": "hello"}]})
    for text in CALLS:
        (example,) = one.examples(replace(item, call=read_call(text, HOME)), tokens)
        ids = [id for id, counts in zip(example.ids, example.loss_mask, strict=True) if counts]
        (prompt,) = one.converse(item, tokens)
        if name in ("llama2", "gemma") and not text.isascii():
            continue  # their little vocabularies have no such letters as text
        assert written(prompt.constraint, ids, tokens.eos_token_id), text


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = {}
    for name, make in (("llama", tiny_llama), ("neox", tiny_neox)):
        folder = make(tmp_path_factory.mktemp(name))
        made[name] = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    return made


def asked(one: SkillsTask, tokenizer, count: int, seed: int = 0) -> list[Prompt]:
    words = random.Random(seed)
    texts = [
        " ".join(words.choices(["rain", "Oslo", "milk", "five", "timer", "light", "wake", "news", "sing"], k=4))
        for _ in range(count)
    ]
    items = [one.item_from({"messages": [{"role": "user", "content": text}]}) for text in texts]
    return [replace(next(one.converse(item, tokenizer)), key=f"{seed} {n}") for n, item in enumerate(items)]


def outcomes(one: SkillsTask, loaded, count: int, seed: int = 0) -> list[str]:
    """Decode random prompts and return the texts of all that are finished calls which the skills accept."""
    model, tokenizer = loaded
    prompts = asked(one, tokenizer, count, seed)
    found = [ids for _, ids in decode_batch(model, tokenizer, [[prompt] for prompt in prompts], one.decoding)]
    texts = [answer_text(ids, tokenizer) for ids in found if ids[-1] == tokenizer.eos_token_id]
    for text in texts:
        assert call_text(read_call(text, HOME)) == text
    return texts


@pytest.mark.parametrize("name", ["llama", "neox"])  # neox has more scores than its tokenizer has ids
def test_random_prompts_sampled_at_high_temperature_end_in_valid_calls(name, models):
    one = task(longest_call(HOME) + 1, sample=True, temperature=1.5)
    assert len(outcomes(one, models[name], 6)) == 6


@pytest.mark.slow
def test_a_thousand_random_prompts_all_end_in_valid_calls():
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model

    loaded = load_model(ModelConfig("lab-tiny", quantisation="none"))
    one = task(longest_call(HOME) + 1, sample=True, temperature=1.5)
    for seed in range(25):
        assert len(outcomes(one, (loaded.model.eval(), loaded.tokenizer), 40, seed)) == 40


@pytest.mark.parametrize("strategy", ["beam", "diverse-beam"])
def test_beams_follow_the_grammar(strategy, models):
    one = task(12, **STRATEGIES[strategy].settings)
    model, tokenizer = models["llama"]
    prompts = asked(one, tokenizer, 2)
    for prompt, ids in decode_batch(model, tokenizer, [[prompt] for prompt in prompts], one.decoding):
        assert written(one.grammar(tokenizer).constraint(), ids, tokenizer.eos_token_id), prompt.key


def test_a_mask_has_the_width_of_the_scores_and_keeps_only_tokens_of_the_vocabulary(models):
    import torch

    from lab_lib.decoding.constraints import keep_masked

    model, tokenizer = models["neox"]
    allowed = task().grammar(tokenizer).constraint().allowed(())
    row = torch.zeros(model.config.vocab_size)
    assert len(allowed.mask()) == len(tokenizer) < len(row) and keep_masked(row, allowed.mask())
    assert [n for n, score in enumerate(row.tolist()) if score > -math.inf] == list(allowed)
    assert len(allowed) == sum(token in allowed for token in range(len(row)))


def test_going_back_to_another_answer_asks_the_same_question(tokenizer):
    one = room.Grammar(call_grammar(HOME), tokenizer).constraint()
    ids = tokenizer('weather(location="Rome")', add_special_tokens=False)["input_ids"]
    first = [list(one.allowed(ids[:place])) for place in range(len(ids))]
    places = list(range(len(ids)))
    random.Random(0).shuffle(places)
    assert all(list(one.allowed(ids[:place])) == first[place] for place in places)
    with pytest.raises(LabError, match="the grammar does not accept this answer"):
        one.allowed([ids[-1]])


def test_without_the_package_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    said = r"^task\.answers=constrained: the package llguidance is not installed: pip install -e '\.\[constrained\]'$"
    with pytest.raises(LabError, match=said):
        task().check_packages()
    SkillsTask(SkillsConfig("skills"), DataConfig("home"), PromptConfig(), DecodeConfig()).check_packages()
