"""The belief state as function calls, and conversations in which the model writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_tokenizer

from lab_lib.calls.call import Call, render_calls
from lab_lib.calls.parse import parse_calls
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus, Dialogue, State
from lab_lib.errors import LabError
from lab_lib.prompts.belief import (
    BOOKED_WITH,
    Belief,
    bookings,
    changed_calls,
    found_text,
    read_calls,
    state_functions,
)
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples, dialogue_messages, dialogue_prompts
from lab_lib.prompts.dialogue_config import DialogueConfig, check_dialogue
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.end_to_end import BackEnd, converse_end_to_end

CONFIG = PromptConfig(max_tokens=2000)
CALLS = DialogueConfig(predict_state=True, database=True)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Corpus:
    folder = write_tiny_corpus(tmp_path_factory.mktemp("corpus"))
    return read_multiwoz(folder, folder, "tiny")


@pytest.fixture(scope="module")
def town() -> Corpus:
    return load_corpus("town")


@pytest.fixture(scope="module")
def multiwoz(lab_data) -> Corpus:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_DATA", str(lab_data))
        return load_corpus("multiwoz22")


def gold_states(dialogue: Dialogue) -> Iterator[dict]:
    """The gold state before each system turn."""
    state = State()
    for turn in dialogue.turns:
        if turn.speaker == "user":
            state = turn.state or state
        else:
            yield state.first()


def supervised_text(example, tokenizer) -> str:
    return tokenizer.decode([i for i, learn in zip(example.ids, example.loss_mask, strict=True) if learn])


def held(talk, answers: list, tokenizer) -> list[Prompt]:
    """Hold a conversation with prepared answers (texts, or None for the gold one) and return its prompts."""
    asked = [next(talk)]
    for answer in answers:
        ids = answer and [*tokenizer(" " + answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        try:
            asked.append(talk.send(ids))
        except StopIteration:
            break
    return asked


# Calls


@pytest.mark.parametrize(
    "value", ["north", "christ's college", 'the "old" mill', "a\\b", "café", "日本", "tab\there", "None", "  "]
)
def test_calls_are_written_as_they_are_read(value):
    calls = [Call("find_hotel", {"name": value, "area": "north"}), Call("book_hotel", {})]
    for some in ([], calls[:1], calls):
        assert parse_calls(render_calls(some), strict_bfcl=False) == some
        assert parse_calls(render_calls(some), strict_bfcl=True) == some


def test_a_call_carries_all_arguments_of_its_function_and_is_made_when_one_changed():
    before = {"hotel": {"area": "north", "bookday": "monday"}, "taxi": {"leaveat": "09:00"}}
    after = {"hotel": {"area": "north", "bookday": "monday", "bookstay": "2"}, "train": {"day": "friday"}}
    assert render_calls(changed_calls(before, after)) == (
        '[book_hotel(day="monday", stay="2"), find_taxi(), find_train(day="friday")]'
    )
    assert changed_calls(after, after) == []
    belief = Belief(before, ("taxi",)).after(changed_calls(before, after))
    assert belief == Belief(after, ("hotel", "taxi", "train"))
    assert belief.after([]) == belief


def test_what_is_no_call_changes_nothing_and_is_said(tiny):
    functions = BackEnd.of(tiny).functions
    for text in ("", "find_restaurant(", "I call find_restaurant()", "none", 'find_restaurant(area=north, food="x")'):
        calls, problems = read_calls(text, functions)
        assert calls == [] and len(problems) == 1 and problems[0].startswith("malformed: ")


def test_what_does_not_exist_is_left_out_and_said_and_the_rest_counts(tiny):
    functions = BackEnd.of(tiny).functions
    calls, problems = read_calls(
        '[find_pub(area="north"), find_restaurant("north", fod="thai", food="thai", name=7), book_train(people=" ")]',
        functions,
    )
    # The first argument of find_restaurant is its first slot.
    assert calls == [Call("find_restaurant", {"area": "north", "food": "thai"}), Call("book_train", {})]
    assert problems == (
        "unknown function: find_pub",
        "unknown argument: find_restaurant(fod)",
        "no text: find_restaurant(name=7)",
        "no text: book_train(people=' ')",
    )


def test_a_service_or_slot_that_cannot_stand_in_a_call_is_refused():
    schema = [{"service_name": "hotel", "slots": [{"name": "hotel-book people"}]}]
    with pytest.raises(LabError, match=r"predict_state: ' people' of service hotel"):
        state_functions(schema)
    with pytest.raises(LabError, match="'from' of service train"):
        state_functions([{"service_name": "train", "slots": [{"name": "train-from"}]}])


@pytest.mark.real
def test_every_gold_state_of_real_dev_comes_back_from_its_calls(multiwoz):
    functions = state_functions(multiwoz.schema)
    turns = calls_made = 0
    for dialogue in multiwoz.splits["dev"]:
        belief = Belief()
        for gold in gold_states(dialogue):
            text = render_calls(changed_calls(belief.state, gold))
            assert parse_calls(text, strict_bfcl=True) == parse_calls(text, strict_bfcl=False)
            calls, problems = read_calls(text, functions)
            belief = belief.after(calls)
            assert belief.state == gold and not problems
            turns, calls_made = turns + 1, calls_made + len(calls)
    assert turns == 7365 and calls_made > 5000


# The back end


def test_the_back_end_books_when_every_detail_is_there_and_a_venue_fits(tiny):
    database = BackEnd.of(tiny).database
    wish = {"area": "north", "bookpeople": "2", "bookday": "monday", "booktime": "19:00"}
    assert bookings({"restaurant": wish}, database) == ("restaurant",)
    assert bookings({"restaurant": {**wish, "area": "west"}}, database) == ()
    for slot in BOOKED_WITH["restaurant"]:
        assert bookings({"restaurant": {s: v for s, v in wish.items() if s != slot}}, database) == ()


def test_the_answer_counts_venues_of_the_services_called_last(tiny):
    database = BackEnd.of(tiny).database
    belief = Belief({"restaurant": {"area": "north"}, "taxi": {"leaveat": "9:00"}, "train": {}}, ("restaurant", "taxi"))
    assert found_text(belief, ("restaurant", "train"), database) == "restaurant 2, booked; taxi"
    assert found_text(Belief(), (), database) == "none"


@pytest.mark.real
def test_its_bookings_agree_with_the_annotation_of_real_dev(multiwoz):
    database = BackEnd.of(multiwoz).database
    same = both = ours = gold = 0
    for dialogue in multiwoz.splits["dev"]:
        for state, turn in zip(gold_states(dialogue), dialogue.system_turns, strict=True):
            booked = bookings(state, database)
            for service in BOOKED_WITH:
                same += (service in booked) == (service in turn.booked)
                both += service in booked and service in turn.booked
                ours, gold = ours + (service in booked), gold + (service in turn.booked)
    assert same / (3 * 7365) > 0.98 and both / ours > 0.93 and both / gold > 0.97


# What is learnt


def test_calls_and_replies_are_learnt_with_their_eos_and_the_answer_of_the_database_is_not(tiny, tokenizer):
    back_end = BackEnd.of(tiny)
    (example,) = dialogue_examples(tiny.splits["train"][0], tokenizer, CONFIG, CALLS, back_end.database)
    assert tokenizer.decode(example.ids) == (
        "<s>user> I want British food in the north, please.\n"
        'call> find_restaurant(area="north", food="british")</s>\n'
        "found> restaurant 1\n"
        "bot> The [name] is [pricerange]. A table?</s>\n"
        "named> copper kettle\n"
        "user> Yes, for 2 on Monday at 19:00. And their phone number?\n"
        'call> book_restaurant(day="monday", people="2", time="19:00")</s>\n'
        "found> restaurant 1, booked\n"
        "bot> Booked under [ref]. Their number is [phone].</s>"
    )
    assert supervised_text(example, tokenizer) == (
        ' find_restaurant(area="north", food="british")</s> The [name] is [pricerange]. A table?</s>'
        ' book_restaurant(day="monday", people="2", time="19:00")</s> Booked under [ref]. Their number is [phone].</s>'
    )


def test_a_turn_that_changes_nothing_calls_nothing(tiny, tokenizer):
    (example,) = dialogue_examples(tiny.splits["test"][0], tokenizer, CONFIG, replace(CALLS, database=False))
    assert tokenizer.decode(example.ids).count("\ncall> []</s>\nbot> It is at [address], [postcode].</s>") == 1
    assert "found>" not in tokenizer.decode(example.ids)


def test_turns_and_windows_learn_every_call_and_reply_exactly_once(town, tokenizer):
    back_end = BackEnd.of(town)
    dialogue = max(town.splits["dev"], key=lambda dialogue: len(dialogue.turns))
    (whole,) = dialogue_examples(dialogue, tokenizer, replace(CONFIG, max_tokens=9000), CALLS, back_end.database)
    turns = dialogue_examples(dialogue, tokenizer, replace(CONFIG, format="turns"), CALLS, back_end.database)
    short = replace(CONFIG, max_tokens=len(whole.ids) // 2)
    windows = dialogue_examples(dialogue, tokenizer, short, CALLS, back_end.database)
    assert len(turns) == len(dialogue.system_turns) and len(windows) > 1
    for examples in (turns, windows):
        assert all(e.ids[-1] == tokenizer.eos_token_id and e.loss_mask[-1] for e in examples)
        assert "".join(supervised_text(e, tokenizer) for e in examples) == supervised_text(whole, tokenizer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": True, "predict_state": True}, "would show the gold state"),
        ({"predict_state": True}, "decoder-only"),
        ({"database": True}, r"needs task\.state or task\.predict_state"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(LabError, match=message):
        check_dialogue(DialogueConfig(**changes), PromptConfig(format="pairs"))


# Conversations


def test_answered_with_gold_the_conversation_is_the_training_example_and_its_states_are_gold(town, tokenizer):
    back_end, compared = BackEnd.of(town), 0
    for dialogue in town.splits["dev"][:30]:
        (example,) = dialogue_examples(dialogue, tokenizer, replace(CONFIG, max_tokens=9000), CALLS, back_end.database)
        golds, turns = list(gold_states(dialogue)), dialogue.system_turns
        talk = converse_end_to_end(dialogue, tokenizer, replace(CONFIG, max_tokens=9000), CALLS, back_end)
        asked = held(talk, [None] * 2 * len(golds), tokenizer)
        assert [(p.asks, p.turn) for p in asked] == [(a, t) for t in range(len(golds)) for a in ("call", "reply")]
        assert [p.facts["state"] for p in asked[1::2]] == golds
        if all(bookings(g, back_end.database) == t.booked for g, t in zip(golds, turns, strict=True)):
            compared += 1  # elsewhere the back end books what the annotation refuses, or in another order
            for prompt in asked:
                assert example.ids[: len(prompt.ids)] == prompt.ids
                assert example.loss_mask[len(prompt.ids)] and not example.loss_mask[len(prompt.ids) - 1]
    assert compared > 10


def test_prompts_with_gold_calls_ask_for_replies_only(tiny, tokenizer):
    back_end, dialogue = BackEnd.of(tiny), tiny.splits["train"][0]
    (example,) = dialogue_examples(dialogue, tokenizer, CONFIG, CALLS, back_end.database)
    asked = dialogue_prompts(dialogue, tokenizer, CONFIG, CALLS, back_end.database)
    assert [prompt.asks for prompt in asked] == ["reply", "reply"]
    for prompt in asked:
        assert example.ids[: len(prompt.ids)] == prompt.ids and tokenizer.decode(prompt.ids).endswith("\nbot>")


def test_the_model_s_calls_are_what_is_looked_up_booked_and_remembered(tiny, tokenizer):
    talk = converse_end_to_end(tiny.splits["train"][0], tokenizer, CONFIG, CALLS, BackEnd.of(tiny))
    answers = [
        'find_restaurant(area="north")', "ours", 'book_restaurant(day="monday", people="2", time="19:00")', "ours too",
    ]  # fmt: skip
    asked = held(talk, answers, tokenizer)
    assert len(asked) == 4
    assert tokenizer.decode(asked[0].ids) == "<s>user> I want British food in the north, please.\ncall>"
    assert tokenizer.decode(asked[1].ids).endswith('call> find_restaurant(area="north")</s>\nfound> restaurant 2\nbot>')
    second = tokenizer.decode(asked[3].ids)
    assert "\nbot> The [name] is [pricerange]. A table?</s>\nnamed> copper kettle\n" in second and "ours" not in second
    assert second.endswith("found> restaurant 2, booked\nbot>")
    assert asked[3].facts == {
        "call": answers[2],
        "state": {"restaurant": {"area": "north", "bookday": "monday", "bookpeople": "2", "booktime": "19:00"}},
        "problems": (),
    }


def test_own_replies_stay_in_the_history(tiny, tokenizer):
    talk = converse_end_to_end(tiny.splits["train"][0], tokenizer, CONFIG, CALLS, BackEnd.of(tiny), own_replies=True)
    asked = held(talk, [None, "I said this", None, None], tokenizer)
    assert "\nbot> I said this</s>\nuser>" in tokenizer.decode(asked[3].ids)


@pytest.mark.parametrize(("gold_calls", "kinds"), [(False, ["call", "plan", "reply"]), (True, ["plan", "reply"])])
def test_a_plan_comes_between_calls_and_reply(gold_calls, kinds, town, tokenizer):
    """Answered with gold it is the training example; an own plan stays, and gold calls are not asked for."""
    back_end, dialogue = BackEnd.of(town), town.splits["dev"][0]
    settings, prompt = replace(CALLS, plan=True), replace(CONFIG, max_tokens=9000)
    (example,) = dialogue_examples(dialogue, tokenizer, prompt, settings, back_end.database)
    whole = lambda: converse_end_to_end(dialogue, tokenizer, prompt, settings, back_end, 0, True, gold_calls)  # noqa: E731
    asked = held(whole(), [None] * 3 * len(dialogue.system_turns), tokenizer)
    assert [p.asks for p in asked] == kinds * len(dialogue.system_turns)
    for one in asked:
        assert example.ids[: len(one.ids)] == one.ids and example.loss_mask[len(one.ids)]
    own = held(whole(), [*[None] * (len(kinds) - 2), "bye", "see you", None], tokenizer)
    assert "\nplan> bye</s>\nbot> see you</s>\nuser>" in tokenizer.decode(own[len(kinds)].ids)
    assert bool(own[len(kinds) - 1].facts) != gold_calls


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        ("try [name]", "named> copper kettle\n"),
        ("[name] or [name]", "named> copper kettle; green oven\n"),
        ("[name], [name] or [name]", "named> copper kettle; green oven\n"),  # only two are in the north
        ("nothing", ""),
    ],
)
def test_the_back_end_knows_which_venues_an_own_reply_names(tiny, tokenizer, reply, named):
    """A later "book it" may need the name, which the delexicalised history does not have."""
    talk = converse_end_to_end(tiny.splits["train"][0], tokenizer, CONFIG, CALLS, BackEnd.of(tiny), own_replies=True)
    asked = held(talk, ['find_restaurant(area="north")', reply, None, None], tokenizer)
    assert f"\nbot> {reply}</s>\n{named}user> Yes" in tokenizer.decode(asked[2].ids)


def test_gold_replies_bring_the_venues_they_named(town):
    """Every name that a gold call needs was said by the user or stands in a `named` line before it."""
    checked = 0
    for dialogue in town.splits["dev"]:
        seen, known = "", set()
        for message in dialogue_messages(dialogue, CONFIG, CALLS, BackEnd.of(town).database):
            if message.name == "call":
                names = set(re.findall(r'[( ]name="([^"]+)"', message.text))
                assert all(name in seen for name in names)
                checked, known = checked + len(names - known), known | names
            seen += f" {message.text.lower()}" if message.kind in ("user", "named") else ""
    assert checked > 50


def test_a_malformed_call_leaves_the_state_stays_in_the_history_and_is_said(tiny, tokenizer):
    talk = converse_end_to_end(tiny.splits["train"][0], tokenizer, CONFIG, CALLS, BackEnd.of(tiny))
    asked = held(talk, ['find_restaurant(area="north")', None, "book_restaurant(day=", None], tokenizer)
    assert asked[3].facts["state"] == asked[1].facts["state"] == {"restaurant": {"area": "north"}}
    assert asked[3].facts["problems"][0].startswith("malformed: ")
    assert tokenizer.decode(asked[3].ids).endswith("call> book_restaurant(day=</s>\nfound> restaurant 2\nbot>")


def test_without_a_database_nothing_is_looked_up(tiny, tokenizer):
    talk = converse_end_to_end(
        tiny.splits["train"][0], tokenizer, CONFIG, replace(CALLS, database=False), BackEnd.of(tiny)
    )
    asked = held(talk, [None] * 4, tokenizer)
    assert "found>" not in tokenizer.decode(asked[3].ids) and asked[3].facts["state"]


def test_a_prompt_that_cannot_fit_is_refused_by_name(tiny, tokenizer):
    talk = converse_end_to_end(
        tiny.splits["train"][0], tokenizer, replace(CONFIG, max_tokens=60), CALLS, BackEnd.of(tiny), 55
    )
    with pytest.raises(LabError, match=r"TIN0001.json, system turn 0.*prompt.max_tokens"):
        held(talk, [None] * 4, tokenizer)
