"""The widgets: their pure parts, their shells without a browser, and their static views."""

from __future__ import annotations

import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from course_run import EVIL, STEPS, make_run

from lab_lib.corpora.database import Database
from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus, Dialogue, DomainGoal, Span, State, Turn
from lab_lib.course import widgets
from lab_lib.course.widgets import decoding, dialogues, failures, knobs, shell, tokens, training
from lab_lib.course.widgets.page import page, problem
from lab_lib.decoding.generate import generate_replies
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Verdict
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue_config import DialogueConfig

TOWN = load_corpus("town")
PROMPT, SHOWN = PromptConfig(), DialogueConfig(state=True, database=True)


class Tags(HTMLParser):
    """The names of all tags of a page, and of all attributes."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def harmless(html: str) -> bool:
    """Whether a page has no element or attribute that could run or load anything, and shows EVIL as text."""
    found = Tags(html)
    return not found.tags & {"script", "img", "iframe", "link", "object"} and not found.attributes & {"onerror", "src"}


def text(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def evil_dialogue() -> Dialogue:
    """A dialogue with HTML in every field that is ever shown."""
    user = Turn("user", EVIL, (Span(EVIL, EVIL, 0, 8, EVIL),), State({EVIL: {EVIL: (EVIL,)}}), acts=(EVIL,))
    reply = Turn("system", EVIL, (Span(EVIL, EVIL, 0, 8), Span(EVIL, "dontcare", 9, 12)), booked=(EVIL,))
    return Dialogue(EVIL, (user, reply), (EVIL,), {EVIL: DomainGoal({EVIL: EVIL}, (EVIL,), {EVIL: EVIL})})


# ---- the dialogue browser -------------------------------------------------------------------------------------------


def test_marked_turns_say_what_was_said_and_placeholders_what_is_supervised() -> None:
    for dialogue in TOWN.splits["test"]:
        for turn in dialogue.turns:
            assert text(re.sub(r"<sub>.*?</sub>", "", dialogues.spans_html(turn))) == turn.text
            assert text(dialogues.spans_html(turn, delexicalised=True)) == delexicalise(turn)


def test_the_changes_of_all_turns_make_up_the_last_state() -> None:
    for dialogue in TOWN.splits["test"]:
        state, slots = State(), dict[str, str]()
        for turn in dialogue.turns:
            for line in dialogues.changes(state, turn.state or state):
                name, _, value = line[2:].partition(" = ")
                if line[0] == "−":
                    del slots[name]
                else:
                    assert (line[0] == "~") == (name in slots)
                    slots[name] = value.split(" (was ")[0]
            state = turn.state or state
        last = {f"{d} {s}": "|".join(values) for d, of in state.values.items() for s, values in of.items()}
        assert slots == last


def test_a_page_shows_goal_acts_bookings_and_spans_that_stay_text() -> None:
    shown = text(dialogues.dialogue_page(evil_dialogue(), 0, 1))
    for line in (f"goal, {EVIL}: {EVIL} = {EVIL}, book {EVIL} = {EVIL}, {EVIL}?", f"state: + {EVIL} {EVIL} = {EVIL}"):
        assert line in shown
    for line in (f"acts: {EVIL}", f"booked: {EVIL}", f"annotated, not delexicalised: {EVIL}=dontcare", "(1 of 1)"):
        assert line in shown


@pytest.mark.parametrize("delexicalised", [False, True])
def test_dialogues_cannot_bring_html(delexicalised: bool) -> None:
    assert harmless(dialogues.dialogue_page(evil_dialogue(), 0, 1, delexicalised))


def test_the_browser_pages_searches_and_changes_split() -> None:
    box = dialogues._shell(TOWN, "test", "")
    (splits, words), (pager, delexicalised), view = box.children[0].children, box.children[1].children, box.children[2]
    slider, back, forth = pager.children
    assert back.disabled and not forth.disabled
    forth.click()
    assert not back.disabled
    assert TOWN.splits["test"][1].id in view.value and "(2 of 60)" in view.value
    slider.value = 60
    assert "(60 of 60)" in view.value and forth.disabled
    back.click()
    assert "(59 of 60)" in view.value
    words.value = "taxi hotel"
    assert "(1 of " in view.value and "(1 of 60)" not in view.value
    words.value = "no such dialogue"
    assert "No dialogue" in view.value and slider.disabled and back.disabled and forth.disabled
    words.value = ""
    splits.value = "train"
    assert "(1 of 400)" in view.value
    delexicalised.value = True
    assert f"<mark>[{next(s.slot for t in TOWN.splits['train'][0].system_turns for s in t.spans)}]" in view.value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"split": "tset"}, "town: no split 'tset'; did you mean 'test'"), ({"search": "xyz"}, "match 'xyz'")],
)
def test_browse_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(LabError, match=message):
        widgets.browse(TOWN, static=True, **arguments)


# ---- the playground -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk() -> decoding.Desk:
    """lab-tiny with the bundled adapter, asked about the town's test dialogues."""
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model

    loaded = load_model(ModelConfig(quantisation="none", adapter="town-adapter"))
    return decoding.Desk(loaded, TOWN.splits["test"], PROMPT, Database(TOWN.database), SHOWN)


@pytest.mark.parametrize("settings", [{}, {"strategy": "top-p", "temperature": 1.3, "seed": 4}, {"strategy": "beam"}])
def test_replies_are_those_of_a_run(desk: decoding.Desk, settings: dict) -> None:
    config = decoding.settings_config({**settings, "max_new_tokens": 30})
    prompt = desk.ask(1, 1, 30)
    (reply,) = generate_replies(desk.loaded.model, desk.loaded.tokenizer, [prompt], config)
    answer = tokens.decode(desk.loaded, prompt, config)
    assert (answer.text, len(answer.tokens), answer.ended) == (reply.response, reply.tokens, reply.stopped)


def test_greedy_search_takes_the_likeliest_token_each_time(desk: decoding.Desk) -> None:
    answer = tokens.decode(desk.loaded, desk.ask(0, 3, 80), decoding.settings_config({}))
    assert len(answer.tokens) > 5 and {token.rank for token in answer.tokens} == {1}
    for token in answer.tokens:
        assert token.likeliest[0] == (token.text, pytest.approx(token.p)) and token.drawn is None


def test_probabilities_are_those_of_one_token_after_the_other(desk: decoding.Desk) -> None:
    import torch

    model, prompt, reply = desk.loaded.model, desk.ask(0, 0, 80).ids, [5, 260, 17]
    together = tokens.reply_logits(model, prompt, reply).softmax(-1)
    with torch.inference_mode():
        for place in range(len(reply)):
            alone = model(input_ids=torch.tensor([[*prompt, *reply[:place]]])).logits[0, -1].float().softmax(-1)
            assert torch.allclose(together[place], alone, atol=1e-5)


def test_drawing_among_fewer_tokens_makes_each_likelier(desk: decoding.Desk) -> None:
    few = decoding.settings_config({"strategy": "top-k", "top_k": 3, "seed": 1, "max_new_tokens": 20})
    for token in tokens.decode(desk.loaded, desk.ask(0, 0, 20), few).tokens:
        assert token.drawn is not None
        assert token.rank <= 3 and token.p <= token.drawn <= 1
        assert token.drawn == pytest.approx(token.p / sum(p for _, p in token.likeliest), abs=1e-4)


def test_a_model_with_an_encoder_reads_its_history_once() -> None:
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model

    loaded = load_model(ModelConfig(name="t5-tiny", quantisation="none", from_scratch=True))
    asked = decoding.Desk(loaded, TOWN.splits["test"], PromptConfig(format="pairs"), None, DialogueConfig())
    answer = tokens.decode(loaded, asked.ask(0, 0, 8), decoding.settings_config({"max_new_tokens": 8}))
    assert {token.rank for token in answer.tokens} == {1} and not answer.ended
    refused = asked.answer(0, 0, {"strategy": "contrastive"})
    assert "written for decoder-only models" in refused and "wrong" in refused


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"top_k": 5}, "decoding.top_k has no effect without decoding.sample=true"),
        ({"strategy": "top-p", "penalty_alpha": 0.6}, "penalty_alpha goes with neither sample nor beams"),
        ({"strategy": "dola"}, "decoding.strategy=dola is not available: it left transformers' core"),
        ({"strategy": "gready"}, "decoding.strategy: unknown 'gready'; did you mean 'greedy'?"),
        ({"topk": 5}, "decoding: unknown key 'topk'; did you mean 'top_k'?"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(settings: dict, reason: str) -> None:
    nobody = decoding.Desk(None, TOWN.splits["test"], PROMPT, None, SHOWN)  # refused before a model is used
    shown = text(nobody.answer(0, 0, settings))
    assert shown.startswith("✗ ") and reason in shown and "\n" not in shown


def test_the_playground_decodes_what_its_sliders_say(desk: decoding.Desk) -> None:
    box, generate = decoding._shell(desk, {"max_new_tokens": 20}, {"strategy": "top-k", "max_new_tokens": 20})
    _, (history,), controls, (button,), (view, other) = (row.children for row in box.children)
    assert "told: state" in text(history.value)
    strategy, *sliders = controls[0].children
    slider = {control.description: control for control in sliders}
    generate()  # as the playground does when it is shown
    assert "class='chip'" in view.value and "class='chip'" in other.value
    slider["top_k"].value = 7  # greedy search does not use it
    button.click()
    assert "greedy: max_new_tokens=20" in text(view.value) and "class='chip'" in view.value
    strategy.value = "contrastive"
    assert (slider["top_k"].value, slider["penalty_alpha"].value, slider["max_new_tokens"].value) == (5, 0.6, 20)
    button.click()
    assert "contrastive: top_k=5 penalty_alpha=0.6" in text(view.value) and "class='chip'" in view.value


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({}, set()),
        ({"strategy": "min-p"}, {"temperature", "top_k", "top_p", "min_p", "seed"}),
        ({"strategy": "beam"}, set()),
        ({"strategy": "contrastive"}, {"top_k", "penalty_alpha"}),
        ({"sample": True, "top_p": 0.8}, {"temperature", "top_k", "top_p", "min_p", "seed"}),
    ],
)
def test_sliders_that_a_strategy_does_not_use_are_off(settings: dict, used: set) -> None:
    names = knobs.offered_strategies(encoder=False)
    side = knobs.Side(settings, names)
    assert {name for name, control in side.sliders.items() if not control.disabled} == used | {"max_new_tokens"}
    assert set(side.settings()) == used | {"strategy", "max_new_tokens"} | (settings.keys() - side.sliders.keys())
    assert "min-p" in names and not {"assisted", "dola", "constrained-beam"} & set(side.strategy.options)
    assert "beam-sampling" not in knobs.offered_strategies(encoder=True)
    for name in names:  # every offered strategy can be chosen, and the values of its sliders are used
        side.strategy.value = name
        knobs.settings_config(side.settings())


def test_tokens_cannot_bring_html() -> None:
    token = tokens.Token(EVIL, 0.25, 2, ((EVIL, 0.5),), drawn=0.3)
    shown = page(tokens.answer_html(tokens.Answer(EVIL, (token,), False)), problem(LabError(EVIL)))
    assert harmless(shown) and "25" in text(shown) and "cut at max_new_tokens" in shown
    assert "<summary>" in shown and "probability 25.00%, rank 2" in text(shown)  # readable without a mouse, too
    assert f"{math.log(0.25):.2f} nats" in shown


# ---- the training curve ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A scored run; tests do not change it."""
    return make_run(tmp_path_factory.mktemp("runs") / "spoilt")


@pytest.mark.parametrize(
    ("stage", "state", "over"),
    [
        ("base", "completed", False),
        ("train", "running", False),
        ("train", "completed", True),
        ("train", "failed", True),
        ("base", "interrupted", True),
        ("report", "completed", True),
    ],
)
def test_a_run_is_over_when_its_log_will_not_grow(stage: str, state: str, over: bool) -> None:
    assert training.Run(Path("runs/x"), [], [], {"stage": stage, "state": state}).over is over


def test_a_row_that_is_being_written_waits(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 10, "loss": 2.5}\n{"step": 20, "lo')
    run = training.read_run(tmp_path)
    assert run.steps == [10] and not run.over
    assert "step 10 of 10 so far · loss 2.500 · run: no status yet" in training.view(run, 0)[0]


def test_the_curve_plays_back(folder: Path) -> None:
    run = training.read_run(folder)
    assert run.steps == list(STEPS)
    line, first, replies = training.view(run, 0)
    assert "step 10 of 29" in line and "dev" not in line and "No sample replies yet" in replies
    assert training.view(run, 1)[1] != first  # the line at the current step has moved
    line, last, replies = training.view(run, 2)
    assert (
        "dev BLEU 20.0 · dev Inform 90.0" in line
        and "dev Combined 85.0" in line
        and "reply 0" in replies
        and TOWN.splits["dev"][0].turns[0].text in text(replies)
    )
    assert first[:4] == last[:4] == b"\x89PNG" and first != last


def test_replies_are_shown_alone_where_the_corpus_is_not(folder: Path, tmp_path: Path) -> None:
    for name in ("samples.jsonl", "config.yaml"):
        (tmp_path / name).write_text((folder / name).read_text().replace("corpus: town", "corpus: nowhere"))
    shown = training.view(training.read_run(tmp_path), 0)[2]
    assert "no corpus and no folder is called" in shown and "reply 0" in shown


def test_the_curve_waits_for_a_folder_and_follows_it(tmp_path: Path) -> None:
    box = training._shell(tmp_path / "run", every=0.02)
    (follow, play, pager), line = box.children[0].children, box.children[1]
    assert "Waiting for" in line.value and follow.value and play.disabled
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0}\n')
    (tmp_path / "run" / "status.json").write_text('{"stage": "train", "state": "failed", "reason": "no memory"}')
    done = [thread for thread in training.threading.enumerate() if thread.name.endswith("(go_on)")]
    for thread in done:
        thread.join(timeout=30)
    assert "step 2 of 2" in line.value and "failed no memory" in line.value and not follow.value
    pager.children[0].value = 1
    assert "step 1 of 2" in line.value and play.max == 2 and not play.disabled and follow.disabled


def test_watch_refuses_a_folder_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"log\.jsonl: nothing is logged here yet"):
        widgets.watch(tmp_path, static=True)


# ---- the error explorer ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(folder: Path) -> dict[str, failures.Judged]:
    return failures.read_scored(folder)


def test_every_cause_leads_to_its_dialogues(scored: dict[str, failures.Judged]) -> None:
    judged = scored["fine-tuned"]
    counts = failures.choices(judged)
    assert (counts[failures.FAILED], counts["all dialogues"]) == (2, 6) and counts["taxi: missing phone"] == 1
    (key,) = failures.chosen(judged, "train: no venue offered")
    shown = failures.item_html(judged, key, 0, 1)
    assert harmless(shown) and EVIL in text(shown) and "Inform ✗ · Success ✗" in text(shown)
    for turn in judged.views[key].turns:
        assert turn.prompt in text(shown) and turn.reference in text(shown)


def test_the_table_of_causes_leaves_none_out() -> None:
    verdicts = {str(n): Verdict({"Inform": False}, (f"<b>{n}",)) for n in range(12)}
    shown = text(failures.cause_table(failures.Judged(EVIL, {}, {}, verdicts)))
    assert shown.startswith(f"{EVIL}: 12 of 12 dialogues failed") and all(f"<b>{n}" in shown for n in range(12))


def test_the_explorer_changes_cause_and_pages(scored: dict[str, failures.Judged]) -> None:
    box = failures._shell(scored, "fine-tuned", "restaurant: missing address")
    cause, pager, view = box.children[0].children[1], box.children[1], box.children[2]
    assert "(1 of 1)" in view.value and cause.options[0] == ("all failures (2)", "all failures")
    cause.value = failures.FAILED
    pager.children[2].click()
    assert "(2 of 2)" in view.value and "Inform ✓ · Success ✗" in view.value and "✗ taxi: missing phone" in view.value
    cause.value = "all dialogues"
    assert "(1 of 6)" in view.value
    pager.children[0].value = 3
    assert "(3 of 6)" in view.value and "Inform ✓" in view.value and "no cause of failure" in view.value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"system": "finetuned"}, "no answers of 'finetuned' here; did you mean 'fine-tuned'"),
        ({"cause": "train: missing reference number"}, "has the cause .*did you mean 'train: missing reference'"),
    ],
)
def test_errors_refuses_what_is_not_in_the_report(folder: Path, arguments: dict, message: str) -> None:
    with pytest.raises(LabError, match=message):
        widgets.errors(folder, static=True, **arguments)


@pytest.mark.parametrize(
    ("report", "message"), [(None, "no such file"), ("[]", "a run's report"), ('{"a": {}}', "a run's report")]
)
def test_errors_refuses_a_folder_without_a_report(tmp_path: Path, report: str | None, message: str) -> None:
    if report is not None:
        (tmp_path / "report.json").write_text(report)
    with pytest.raises(LabError, match=f"report.json: .*{message}"):
        widgets.errors(tmp_path, static=True)


# ---- widget or first view -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "variable", "static"),
    [(None, "1", True), (None, "0", False), (None, "", True), (False, "1", False), (True, "0", True)],
)
def test_who_decides_about_the_static_view(monkeypatch, argument, variable: str, static: bool) -> None:
    """Outside a kernel, as here, nobody can move a slider."""
    monkeypatch.setenv("LAB_STATIC_WIDGETS", variable)
    assert shell.static_view(argument) is static


def test_a_strange_value_of_the_variable_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("LAB_STATIC_WIDGETS", "yes")
    with pytest.raises(LabError, match="LAB_STATIC_WIDGETS is 'yes', expected 1"):
        widgets.browse(TOWN)


def test_without_a_notebook_a_line_is_printed(capsys) -> None:
    widgets.browse(Corpus("mine", {"test": TOWN.splits["test"][:2]}))
    assert capsys.readouterr().out == f"{TOWN.splits['test'][0].id}, the first of 2 dialogues\n"


@pytest.mark.notebooks
def test_an_executed_notebook_holds_first_views_and_no_widget_state(folder: Path) -> None:
    """nbclient executes the committed notebooks; GitHub shows HTML and pictures, but no widgets."""
    import nbformat
    from nbclient import NotebookClient

    code = "from lab_lib.corpora.load import load_corpus\nfrom lab_lib.course import widgets\n"
    calls = [
        "widgets.browse(load_corpus('town'))",
        f"widgets.watch({str(folder)!r})",
        f"widgets.errors({str(folder)!r})",
    ]
    cells = [nbformat.v4.new_code_cell(code), *map(nbformat.v4.new_code_cell, calls)]
    done = NotebookClient(nbformat.v4.new_notebook(cells=cells), kernel_name="python3").execute()
    kinds = [[sorted(output["data"]) for output in cell.outputs] for cell in done.cells[1:]]
    html = ["text/html", "text/plain"]
    assert kinds == [[html], [html, ["image/png", "text/plain"], html], [html]]
    assert "widgets" not in done.metadata
