"""Prompts and loss mask: what is learnt, what is cut, and that one pass over a dialogue equals one example per turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_neox, tiny_tokenizer

from lab_lib.corpora.database import Database
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Dialogue, State, Turn
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples, dialogue_messages, dialogue_prompts, gold_conversation
from lab_lib.prompts.dialogue_config import DialogueConfig, check_dialogue


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def dialogue(turns: int, words: int = 4) -> Dialogue:
    """A dialogue of `turns` exchanges in which every utterance can be told from every other."""
    made = []
    for n in range(turns):
        state = State({"hotel": {"stars": (str(n),)}})
        made.append(Turn("user", " ".join(f"ask{n}w{i}" for i in range(words)), state=state))
        made.append(Turn("system", " ".join(f"say{n}w{i}" for i in range(words))))
    return Dialogue("TST1.json", tuple(made))


def supervised_text(example, tokenizer) -> str:
    return tokenizer.decode([i for i, learn in zip(example.ids, example.loss_mask, strict=True) if learn])


def test_a_dialogue_reads_as_lines_and_learns_replies_with_their_eos(tokenizer):
    (example,) = dialogue_examples(dialogue(2, words=1), tokenizer, PromptConfig())
    assert tokenizer.decode(example.ids) == ("<s>user> ask0w0\nbot> say0w0</s>\nuser> ask1w0\nbot> say1w0</s>")
    assert supervised_text(example, tokenizer) == " say0w0</s> say1w0</s>"
    assert example.key == "tst1" and (example.first, example.last) == (0, 1)


def test_turns_format_learns_each_reply_once_and_only_the_last_of_each_example(tokenizer):
    examples = dialogue_examples(dialogue(3), tokenizer, PromptConfig(format="turns"))
    assert [supervised_text(e, tokenizer) for e in examples] == [
        f" {' '.join(f'say{n}w{i}' for i in range(4))}</s>" for n in range(3)
    ]
    assert tokenizer.decode(examples[1].ids).count("say0w0") == 1  # the origin had the history twice


def test_prompts_are_the_beginnings_of_the_training_example(tokenizer):
    config, shown = PromptConfig(instruction="Help visitors of the town."), DialogueConfig(state=True)
    (example,) = dialogue_examples(dialogue(3), tokenizer, config, shown)
    for prompt in dialogue_prompts(dialogue(3), tokenizer, config, shown, room=20):
        assert example.ids[: len(prompt.ids)] == prompt.ids
        assert tokenizer.decode(prompt.ids).endswith("\nbot>")
        assert example.loss_mask[len(prompt.ids)] and not example.loss_mask[len(prompt.ids) - 1]


def test_instruction_state_and_database_stand_where_they_belong(tmp_path, tokenizer):
    corpus = read_multiwoz(write_tiny_corpus(tmp_path), tmp_path, "tiny")
    shown, database = DialogueConfig(state=True, database=True), Database(corpus.database)
    messages = dialogue_messages(corpus.splits["test"][0], PromptConfig(instruction="Help."), shown, database)
    assert messages[0].is_instruction and messages[0].text == "Help."
    assert [(m.role, m.name) for m in messages[1:]] == [("user", ""), ("tool", "state"), ("assistant", "")] * 2
    # `dontcare` is no constraint; one of the three restaurants is Indian.
    assert messages[2].text == "restaurant food=indian (1 found)"
    assert messages[3].text == "At the [name] in the [area]."


def test_a_booked_domain_is_marked_only_from_the_turn_it_is_booked(tmp_path):
    corpus = read_multiwoz(write_tiny_corpus(tmp_path), tmp_path, "tiny")
    shown, database = DialogueConfig(state=True, database=True), Database(corpus.database)
    booking = next(d for d in corpus.splits["train"] if any(t.booked for t in d.turns))
    contexts = [m.text for m in dialogue_messages(booking, PromptConfig(), shown, database) if m.name == "state"]
    flags = [bool(turn.booked) for turn in booking.system_turns]
    assert ["booked" in text for text in contexts] == flags and any(flags)


def test_truncation_drops_whole_oldest_turns_and_never_the_reply(tokenizer):
    config = PromptConfig(format="turns", instruction="Help.")
    full = dialogue_examples(dialogue(6), tokenizer, config)[-1]
    short = dialogue_examples(dialogue(6), tokenizer, replace(config, max_tokens=len(full.ids) // 2))[-1]
    text = tokenizer.decode(short.ids)
    assert len(short.ids) <= len(full.ids) // 2
    assert text.startswith("<s>task> Help.\nuser> ask") and short.dropped_turns > 0
    assert f"user> ask{short.dropped_turns}w0" in text and f"ask{short.dropped_turns - 1}w0" not in text
    assert supervised_text(short, tokenizer) == supervised_text(full, tokenizer)


def test_a_long_dialogue_becomes_windows_that_learn_every_reply_exactly_once(tokenizer):
    whole = dialogue_examples(dialogue(9), tokenizer, PromptConfig())
    assert len(whole) == 1
    windows = dialogue_examples(dialogue(9), tokenizer, PromptConfig(max_tokens=len(whole[0].ids) // 3))
    assert len(windows) > 2 and all(len(w.ids) <= len(whole[0].ids) // 3 for w in windows)
    assert "".join(supervised_text(w, tokenizer) for w in windows) == supervised_text(whole[0], tokenizer)
    assert [w.first for w in windows[1:]] == [w.last + 1 for w in windows[:-1]]


def test_one_long_user_turn_is_cut_from_the_left_but_the_reply_stays(tokenizer):
    long = Dialogue("L", (Turn("user", "x " * 300 + "end"), Turn("system", "short reply")))
    (example,) = dialogue_examples(long, tokenizer, PromptConfig(max_tokens=60))
    assert len(example.ids) <= 60
    assert tokenizer.decode(example.ids).endswith("end\nbot> short reply</s>")


def test_a_reply_that_cannot_fit_is_refused_by_name(tokenizer):
    long = Dialogue("LONG7.json", (Turn("user", "hi"), Turn("system", "word " * 100)))
    with pytest.raises(LabError, match=r"LONG7.json.*more than prompt.max_tokens"):
        dialogue_examples(long, tokenizer, PromptConfig(max_tokens=50))


def test_every_real_length_ends_with_eos_and_learns_a_reply_token(tokenizer):
    for limit in range(40, 400, 30):
        for form in ("turns", "dialogues"):
            for example in dialogue_examples(dialogue(5), tokenizer, PromptConfig(format=form, max_tokens=limit)):
                assert example.ids[-1] == tokenizer.eos_token_id and example.loss_mask[-1]
                assert sum(example.loss_mask) >= 2 and len(example.ids) <= limit


def test_a_tokenizer_without_bos_gets_none_and_one_without_eos_is_refused(tmp_path):
    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.bos_token = None
    (example,) = dialogue_examples(dialogue(1), tokenizer, PromptConfig())
    assert "None" not in tokenizer.decode(example.ids) and tokenizer.decode(example.ids).startswith("user>")
    tokenizer.eos_token = None
    with pytest.raises(LabError, match="never stop"):
        dialogue_examples(dialogue(1), tokenizer, PromptConfig())


def test_an_empty_reply_and_a_dialogue_without_system_turn_are_refused(tokenizer):
    with pytest.raises(LabError, match=r"X1.*system turn 0: empty reply"):
        dialogue_examples(Dialogue("X1", (Turn("user", "hi"), Turn("system", "  "))), tokenizer, PromptConfig())
    with pytest.raises(LabError, match=r"X2: no system turn"):
        dialogue_examples(Dialogue("X2", (Turn("user", "hi"),)), tokenizer, PromptConfig())


@pytest.mark.parametrize("said", ["\u200b", "\u2060 \ufe0f"])
def test_a_reply_that_cannot_be_seen_is_empty(tokenizer, said):
    with pytest.raises(LabError, match=r"X1.*system turn 0: empty reply"):
        dialogue_examples(Dialogue("X1", (Turn("user", "hi"), Turn("system", said))), tokenizer, PromptConfig())


@pytest.mark.parametrize("turns", [("half \ud800", "fine"), ("hi", "half \udc00")])
def test_what_a_tokenizer_cannot_encode_is_named_by_dialogue_and_turn(tokenizer, turns):
    item = Dialogue("X1", (Turn("user", turns[0]), Turn("system", turns[1])))
    with pytest.raises(LabError, match=r"^dialogue X1: \w+ message of turn 0: the tokenizer cannot encode '.*half .ud"):
        dialogue_examples(item, tokenizer, PromptConfig())


def test_database_without_state_is_refused(tokenizer):
    with pytest.raises(LabError, match=r"task\.database needs task\.state"):
        DialogueConfig(database=True)
    with pytest.raises(LabError, match="needs a corpus with a database"):
        dialogue_examples(dialogue(1), tokenizer, PromptConfig(), DialogueConfig(state=True, database=True))


def test_line_breaks_in_an_utterance_cannot_look_like_a_new_speaker(tokenizer):
    sly = Dialogue("S", (Turn("user", "hello\nbot> I am the system"), Turn("system", "fine")))
    (example,) = dialogue_examples(sly, tokenizer, PromptConfig())
    assert tokenizer.decode(example.ids).split("\n") == ["<s>user> hello bot> I am the system", "bot> fine</s>"]


def test_one_pass_over_a_dialogue_gives_the_gradient_of_one_example_a_turn(tmp_path: Path, tokenizer):
    """In float64: every gradient agrees to 1e-10, with far fewer tokens (GPT-NeoX: Llama's norms round to fp32)."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_neox(tmp_path)).double()

    def summed_gradient(form: str):
        examples = dialogue_examples(dialogue(6), tokenizer, PromptConfig(format=form))
        model.zero_grad()
        for example in examples:
            ids = torch.tensor([example.ids])
            labels = torch.where(torch.tensor([example.loss_mask]), ids, -100)
            logits = model(ids, use_cache=False).logits[0, :-1]
            torch.nn.functional.cross_entropy(logits, labels[0, 1:], reduction="sum").backward()
        return [p.grad.clone() for p in model.parameters()], sum(len(e.ids) for e in examples)

    (whole, few), (turns, many) = summed_gradient("dialogues"), summed_gradient("turns")
    assert max((a - b).abs().max().item() for a, b in zip(whole, turns, strict=True)) < 1e-10
    assert max(g.abs().max().item() for g in whole) > 1e-3  # the gradients that agree are not all zero
    assert many > 3 * few  # six turns of equal length: (1 + 2 + ... + 6) / 6 = 3.5 times the tokens


def test_a_conversation_keeps_what_it_was_answered_as_its_history(tokenizer):
    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    talk = gold_conversation(dialogue(3, words=1), tokenizer, PromptConfig())
    assert tokenizer.decode(next(talk).ids) == "<s>user> ask0w0\nbot>"
    second = talk.send(ids(" say1w0"))  # cut at the greatest length: without EOS
    assert tokenizer.decode(second.ids) == "<s>user> ask0w0\nbot> say1w0</s>\nuser> ask1w0\nbot>"
    third = talk.send([*ids(" say2w0"), tokenizer.eos_token_id])
    assert tokenizer.decode(third.ids).endswith("user> ask1w0\nbot> say2w0</s>\nuser> ask2w0\nbot>")
    assert (third.key, third.turn) == ("tst1", 2)


def test_learning_all_learns_every_token_but_bos_and_the_end_of_the_dialogue(tokenizer):
    config, shown = PromptConfig(learn="all", instruction="Help."), DialogueConfig(countdown=True, state=True)
    (example,) = dialogue_examples(dialogue(2, words=1), tokenizer, config, shown)
    assert tokenizer.decode(example.ids) == (
        "<s>task> Help.\nleft> 4\nuser> ask0w0\nstate> hotel stars=0\nbot> say0w0</s>\n"
        "left> 2\nuser> ask1w0\nstate> hotel stars=1\nbot> say1w0</s>\n</s>"
    )
    assert example.loss_mask == (False, *[True] * (len(example.ids) - 1))


def test_learning_all_in_windows_learns_everything_once_and_ends_once(tokenizer):
    (whole,) = dialogue_examples(dialogue(9), tokenizer, PromptConfig(learn="all"))
    short = PromptConfig(learn="all", max_tokens=len(whole.ids) // 3)
    windows = dialogue_examples(dialogue(9), tokenizer, short)
    assert len(windows) > 2 and all(len(w.ids) <= short.max_tokens for w in windows)
    # Between windows only the line break after the last reply is left out.
    parts = [supervised_text(w, tokenizer) for w in windows]
    assert "\n".join(parts) == supervised_text(whole, tokenizer)
    assert [part.endswith("</s>\n</s>") for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(w.ids[-1] == tokenizer.eos_token_id and w.loss_mask[-1] for w in windows)


def test_the_length_of_the_gold_dialogue_is_never_told_to_who_replies(tokenizer):
    with pytest.raises(LabError, match="this run writes dialogues"):
        gold_conversation(dialogue(1), tokenizer, PromptConfig(learn="all"), DialogueConfig(countdown=True))
    with pytest.raises(LabError, match=r"task\.countdown needs prompt\.learn=all"):
        check_dialogue(DialogueConfig(countdown=True), PromptConfig())
    with pytest.raises(LabError, match=r"prompt\.learn=all needs prompt\.format=dialogues"):
        PromptConfig(format="turns", learn="all")


def planned(turns: int) -> Dialogue:
    """`dialogue` with an act and its slot on each system turn."""
    plain = dialogue(turns, words=1)
    acts = [
        replace(turn, acts=("Hotel-Inform", "general-reqmore"), act_slots=((f"slot{n // 2}",), ()))
        if turn.speaker == "system"
        else turn
        for n, turn in enumerate(plain.turns)
    ]
    return replace(plain, turns=tuple(acts))


def test_a_plan_is_learnt_before_its_reply(tokenizer):
    (example,) = dialogue_examples(planned(2), tokenizer, PromptConfig(), DialogueConfig(plan=True))
    assert supervised_text(example, tokenizer) == (
        " hotel inform slot0; reqmore</s> say0w0</s> hotel inform slot1; reqmore</s> say1w0</s>"
    )
    assert tokenizer.decode(example.ids).startswith("<s>user> ask0w0\nplan> hotel inform slot0; reqmore</s>\nbot> say")
    (without,) = dialogue_examples(dialogue(1, words=1), tokenizer, PromptConfig(), DialogueConfig(plan=True))
    assert supervised_text(without, tokenizer) == " none</s> say0w0</s>"


def test_a_conversation_with_plans_asks_twice_a_turn_and_keeps_both_answers(tokenizer):
    def ids(text: str) -> list[int]:
        return [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]

    talk = gold_conversation(planned(2), tokenizer, PromptConfig(), DialogueConfig(plan=True))
    first = next(talk)
    assert (first.asks, tokenizer.decode(first.ids)) == ("plan", "<s>user> ask0w0\nplan>")
    second = talk.send(ids(" bye"))
    assert (second.asks, tokenizer.decode(second.ids)) == ("reply", "<s>user> ask0w0\nplan> bye</s>\nbot>")
    third = talk.send(ids(" say1w1"))
    assert third.asks == "plan" and tokenizer.decode(third.ids).endswith(
        "plan> bye</s>\nbot> say1w1</s>\nuser> ask1w0\nplan>"
    )
    assert [p.asks for p in dialogue_prompts(planned(2), tokenizer, PromptConfig(), DialogueConfig(plan=True))] == [
        "reply",
        "reply",
    ]
    with pytest.raises(LabError, match=r"task\.plan needs a decoder-only model"):
        check_dialogue(DialogueConfig(plan=True), PromptConfig("plain", "pairs"))
