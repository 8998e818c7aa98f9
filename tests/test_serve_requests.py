"""Numbers that a model invents are not run, and of two requests in a sentence none is lost."""

from __future__ import annotations

import importlib.util
from importlib.util import find_spec

import pytest
from rich.console import Console
from scripted_skills import scripted

from lab_lib.calls.call import Call
from lab_lib.calls.skills.load import load_skills
from lab_lib.config import to_yaml
from lab_lib.errors import LabError
from lab_lib.runs.config import load_recipe
from lab_lib.serve import run_model
from lab_lib.serve.answers import Answer
from lab_lib.serve.run_model import open_assistant
from lab_lib.serve.show import about
from lab_lib.serve.unsaid import unsaid
from lab_lib.speech import said_amounts, said_numbers, weights
from lab_lib.tasks.skills_data import read_corpus

HOME = load_skills(["home"])
needs_numbers = pytest.mark.skipif(find_spec("text_to_num") is None, reason="the extra `constrained` is not installed")
COUNTED = ("minutes", "time", "amount", "count", "volume", "brightness")
MINUTES = "What should 'minutes' of set_timer be? (1 to 1440)"


@needs_numbers
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("set a timer for 2000 minutes", MINUTES),
        ("set a timer for minus five minutes", MINUTES),
        ("set a timer for 3 days", MINUTES),
        ("set a timer for `__class__` minutes", MINUTES),
        ("read me 50 headlines", "What should 'count' of news be? (1 to 10)"),
        ("wake me at 25:99", "What should 'time' of set_alarm be?"),
        ("a pound in kilos", ""),
        ("kitchen at full brightness", ""),
    ],
)
def test_a_number_that_was_not_said_is_asked_for_and_not_run(text, said):
    (answer,) = scripted().ask(text, run=True)
    assert (answer.reason, answer.said) == (("missing", said) if said else ("", ""))
    assert (answer.result is None) == bool(said)


@needs_numbers
def test_the_numbers_of_the_right_calls_are_those_of_their_requests():
    """Of 575 held-out requests for a skill, two have a number that is worked out from those that are said."""
    items = [item for item in read_corpus("home", HOME, 0).splits["test"] if item.call.name in HOME]
    asked = [
        one for one in items if unsaid(Call(one.call.name, _counted(one)), one.utterance, HOME[one.call.name], False)
    ]
    assert len(items) == 575
    assert [one.utterance for one in asked] == [
        "wake me five minutes before nine",
        "give the wash cycle a timer, hour and twenty",
    ]


def _counted(item) -> dict[str, object]:
    """The arguments of a call that are numbers or times."""
    return {name: value for name, value in item.call.arguments.items() if name in COUNTED}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("turn on the light and play some jazz", [('play_music(title="some jazz")', "turn on the light", "")]),
        ("set a timer for 5 minutes, play jazz",
         [("set_timer(minutes=5)", "", ""), ('play_music(title="jazz")', "", "")]),
        ("pasta, 5 minutes", [('set_timer(minutes=5, name="pasta")', "", "")]),  # its call has both parts
        ("don't you dare, play jazz", [('play_music(title="jazz")', "", "")]),  # a call that the model does not believe
        ("I'm done, play jazz", [('play_music(title="jazz")', "", "")]),
        ("the weather in Oslo and Berlin", [('weather(location="Oslo")', "Berlin", "")]),
        ("lights off in the bedroom and the kitchen",
         [("", "", "This sounds like two requests to set_light; ask for one at a time.")]),
        ("add milk, eggs and bread and play jazz",
         [('add_to_list(items=["milk", "eggs", "bread"])', "", ""), ('play_music(title="jazz")', "", "")]),
    ],
)  # fmt: skip
def test_of_two_requests_in_a_sentence_none_is_lost_in_silence(text, found):
    answers = scripted().ask(text)
    assert [(one.call, one.lost, "" if one.call else one.said) for one in answers] == found
    lines = [line for one in answers for line in about(one)]
    assert sum("nothing was understood for" in line for line in lines) == sum(bool(lost) for _, lost, _ in found)


def test_a_call_that_the_model_finds_impossible_is_shown_and_not_run():
    (answer,) = scripted().ask("don't play jazz", run=True)
    assert answer.call == 'play_music(title="t play")' and answer.result is None
    assert answer.said == "Not run: its arguments have 1e-10 %; a call runs from 1e-08 % on."


def without(monkeypatch, package: str) -> None:
    """Hide a package, wherever it is looked for."""
    found = importlib.util.find_spec
    hidden = lambda name, *more: None if name == package else found(name, *more)  # noqa: E731
    for place in (importlib.util, run_model, said_amounts, said_numbers, weights):
        monkeypatch.setattr(place, "find_spec", hidden)


def test_a_missing_package_is_named_before_anything_is_read(tmp_path, monkeypatch, cli):
    monkeypatch.setattr(run_model, "model_config", lambda *given: None)
    monkeypatch.setattr(run_model, "require_unchanged", lambda *given: None)
    (tmp_path / "config.yaml").write_text(to_yaml(load_recipe("calls-tiny-cpu", [])))
    if run_model.has_grammar():
        without(monkeypatch, "text_to_num")
        with pytest.raises(LabError, match=r"task\.values=said: the package text2num is not installed"):
            open_assistant(str(tmp_path), Console(quiet=True))
    without(monkeypatch, "faster_whisper")
    code, _, err = cli("calls", "ask", str(tmp_path), "--audio", str(tmp_path / "no.wav"))
    assert code == 2 and "speech needs the package faster-whisper" in " ".join(err.split())


def test_without_text2num_a_number_only_has_to_be_there(monkeypatch):
    without(monkeypatch, "text_to_num")
    for minutes, text in ((14, "set a timer for 2000 minutes"), (120, "set a timer for `__class__` minutes")):
        call = Call("set_timer", {"minutes": minutes})
        assert unsaid(call, text, HOME["set_timer"], False) == ([] if minutes == 14 else ["minutes"])


def test_the_newest_run_is_named_and_silence_has_no_probability(cli, monkeypatch):
    monkeypatch.setattr(run_model, "open_assistant", lambda name, console: scripted())
    assert "run: runs/home" in cli("calls", "ask", "play jazz")[2]
    assert "run: " not in cli("calls", "ask", "runs/home", "play jazz")[2]
    assert about(Answer("", reason="nothing", said="Nothing was said.")) == ["Nothing was said."]
