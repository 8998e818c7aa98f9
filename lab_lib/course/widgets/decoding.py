"""The decoding playground: one turn of a dialogue decoded in two ways, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lab_lib.corpora.database import Database
from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue
from lab_lib.course.widgets.knobs import Side, offered_strategies, settings_config
from lab_lib.course.widgets.page import page, paragraph, problem
from lab_lib.course.widgets.shell import Pager, show_static, show_widget, static_view
from lab_lib.course.widgets.tokens import answer_html, decode
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_messages, dialogue_prompts
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import Prompt

SECOND = {"strategy": "top-p"}
SHOWN_TURNS = 4  # of the history; the whole prompt is one click away


def playground(
    loaded: Any,
    dialogues: Sequence[Dialogue],
    prompt: PromptConfig | None = None,
    database: Database | None = None,
    first: Mapping[str, Any] | None = None,
    second: Mapping[str, Any] | None = None,
    static: bool | None = None,
    shown: DialogueConfig | None = None,
) -> None:
    """Decode one reply with two settings below the cell, and show the probability of every token.

    `loaded` is what `load_model` returned; `prompt`, `shown` (the parts of a dialogue in its prompts) and `database`
    must be those of its training. `first` and `second` are decoding settings, with `strategy` for a name (`lab decode
    --strategies`); by default greedy and top-p. Sliders that a strategy does not use are disabled. For settings that
    the library refuses its message is shown. The replies are those of a run with the same settings; the first two are
    generated immediately. `static` as in the package's docstring: decodes the first turn of the first dialogue. Raises
    LabError when there is no dialogue.
    """
    if not dialogues:
        raise LabError("playground: no dialogues given, expected at least one")
    desk = Desk(loaded, dialogues, prompt or PromptConfig(), database, shown or DialogueConfig())
    first, second = first or {}, SECOND if second is None else second
    if static_view(static):
        sides = [Markup("<td>{}</td>").format(desk.answer(0, 0, settings)) for settings in (first, second)]
        both = Markup("<table><tr>{}</tr></table>").format(Markup("").join(sides))
        show_static(f"{dialogues[0].id}: one reply decoded in two ways", page(desk.history(0, 0), both))
    else:
        box, generate = _shell(desk, first, second)
        show_widget(box)
        generate()


class Desk:
    """A model and the dialogues whose system turns it writes."""

    def __init__(
        self,
        loaded: Any,
        dialogues: Sequence[Dialogue],
        prompt: PromptConfig,
        database: Database | None,
        shown: DialogueConfig,
    ):
        self.loaded, self.dialogues, self.prompt, self.database, self.shown = loaded, dialogues, prompt, database, shown

    def ask(self, place: int, turn: int, room: int) -> Prompt:
        """Return the prompt for a system turn (from 0) of dialogue `place`, with `room` tokens left for the reply."""
        dialogue, tokenizer = self.dialogues[place], self.loaded.tokenizer
        return dialogue_prompts(dialogue, tokenizer, self.prompt, self.shown, self.database, room)[turn]

    def answer(self, place: int, turn: int, settings: Mapping[str, Any]) -> Markup:
        """Return a decoded reply as HTML, or the reason why the library refuses the settings."""
        try:
            config = settings_config(settings)
            answer = decode(self.loaded, self.ask(place, turn, config.max_new_tokens), config)
        except LabError as error:
            return problem(error)
        return Markup("{}{}").format(paragraph(describe(settings), "soft"), answer_html(answer))

    def facts(self, place: int, turn: int) -> list[tuple[str, str]]:
        """Return the task facts in the prompt since the reply before, as (kind, text), for example of kind `state`."""
        messages = dialogue_messages(self.dialogues[place], self.prompt, self.shown, self.database)
        replies = [n for n, message in enumerate(messages) if message.kind == "assistant"]
        since = messages[replies[turn - 1] + 1 if turn else 0 : replies[turn]]
        return [(message.kind, message.text) for message in since if message.role == "tool"]

    def history(self, place: int, turn: int) -> Markup:
        """Return the last turns before the reply, their task facts, the reference and the whole prompt as HTML."""
        dialogue = self.dialogues[place]
        end = [n for n, said in enumerate(dialogue.turns) if said.speaker == "system"][turn]
        rows = [
            (said.speaker, f"{number} {said.speaker}", delexicalise(said) if said.speaker == "system" else said.text)
            for number, said in list(enumerate(dialogue.turns))[max(0, end - SHOWN_TURNS) : end]
        ] + [("fact", f"told: {kind}", text) for kind, text in self.facts(place, turn)]
        row = Markup("<tr class='{}'><td class='who'>{}</td><td>{}</td></tr>")
        ids = self.ask(place, turn, settings_config({}).max_new_tokens).ids
        return Markup(
            "<p><b>{}</b> · system turn {} of {}</p><table>{}{}</table><p>reference: {}</p>"
            "<details><summary>the prompt, {} tokens</summary><pre>{}</pre></details>"
        ).format(
            dialogue.id,
            turn + 1,
            len(dialogue.system_turns),
            Markup("<colgroup><col style='width: 7em'><col></colgroup>"),
            Markup("").join(row.format(*cells) for cells in rows),
            delexicalise(dialogue.turns[end]),
            len(ids),
            self.loaded.tokenizer.decode(list(ids)),
        )


def describe(settings: Mapping[str, Any]) -> str:
    """Return the settings on one line.

    >>> describe({"strategy": "top-k", "top_k": 5, "penalty_alpha": None})
    'top-k: top_k=5'
    """
    rest = [f"{key}={value}" for key, value in settings.items() if key != "strategy" and value is not None]
    return f"{settings.get('strategy', 'greedy')}: {' '.join(rest)}".removesuffix(": ")


def _shell(desk: Desk, first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Any, Callable[[], None]]:
    """Return the widget, and the function of its button.

    The widget shows the choice of a turn, its history, two sides of controls, one button for both, and their replies.
    """
    import ipywidgets

    names = offered_strategies(desk.loaded.model.config.is_encoder_decoder)
    sides, history = (Side(first, names), Side(second, names)), ipywidgets.HTML()
    button = ipywidgets.Button(description="Generate both", button_style="primary")

    def draw() -> None:
        history.value = page(desk.history(dialogue.place, turn.place))
        for side in sides:
            side.view.value = ""

    def generate(_: Any = None) -> None:
        button.disabled, button.description = True, "decoding ..."
        for side in sides:
            side.view.value = page(desk.answer(dialogue.place, turn.place, side.settings()))
        button.disabled, button.description = False, "Generate both"

    turn = Pager("system turn", draw)
    dialogue = Pager("dialogue", lambda: turn.resize(len(desk.dialogues[dialogue.place].system_turns)))
    dialogue.resize(len(desk.dialogues))
    button.on_click(generate)
    controls, views = ([s.box for s in sides], [s.view for s in sides])
    rows = [[dialogue.box, turn.box], [history], controls, [button], views]
    return ipywidgets.VBox([ipywidgets.HBox(row) for row in rows]), generate
