"""The decoding playground: one turn of a dialogue decoded in two ways, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lab_lib.config import build
from lab_lib.corpora.database import Database
from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue
from lab_lib.course.widgets.page import page, paragraph, problem
from lab_lib.course.widgets.shell import Pager, show_static, show_widget, static_view
from lab_lib.course.widgets.tokens import answer_html, decode
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.strategies import STRATEGIES, expand_section
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_prompts
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

    `loaded` is what `load_model` returned; `prompt`, `shown` (what of a dialogue its prompts show) and `database` must
    be those of its training. `first` and `second` are decoding settings, with `strategy` for a name (`lab decode
    --strategies`): greedy and top-p when left out.
    What does not go together is shown as the one line the library refuses it with. The replies are those of a run with
    the same settings. `static` as in the package's docstring: decodes the first turn of the first dialogue.
    Raises LabError when there is no dialogue.
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
        show_widget(_shell(desk, first, second))


class Desk:
    """A model and the dialogues it is asked about; every method returns HTML."""

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
        """Decode with some settings; for what the library refuses, return its reason."""
        try:
            config = settings_config(settings)
            answer = decode(self.loaded, self.ask(place, turn, config.max_new_tokens), config)
        except LabError as error:
            return problem(error)
        return Markup("{}{}").format(paragraph(describe(settings), "soft"), answer_html(answer))

    def history(self, place: int, turn: int) -> Markup:
        """Return the last turns before the reply, the reference, and the prompt as the model reads it."""
        dialogue = self.dialogues[place]
        end = [n for n, said in enumerate(dialogue.turns) if said.speaker == "system"][turn]
        rows = Markup("").join(
            Markup("<tr class='{}'><td class='who'>{} {}</td><td>{}</td></tr>").format(
                said.speaker, number, said.speaker, delexicalise(said) if said.speaker == "system" else said.text
            )
            for number, said in list(enumerate(dialogue.turns))[max(0, end - SHOWN_TURNS) : end]
        )
        ids = self.ask(place, turn, settings_config({}).max_new_tokens).ids
        return Markup(
            "<p><b>{}</b> · system turn {} of {}</p><table>{}{}</table><p>reference: {}</p>"
            "<details><summary>the prompt, {} tokens</summary><pre>{}</pre></details>"
        ).format(
            dialogue.id,
            turn + 1,
            len(dialogue.system_turns),
            Markup("<colgroup><col style='width: 7em'><col></colgroup>"),
            rows,
            delexicalise(dialogue.turns[end]),
            len(ids),
            self.loaded.tokenizer.decode(list(ids)),
        )


def settings_config(settings: Mapping[str, Any]) -> DecodeConfig:
    """Return the DecodeConfig of some settings, read as a recipe's `decoding:` section is: `strategy` may be named.

    Raises LabError as that does.
    """
    return build(DecodeConfig, expand_section({"decoding": dict(settings)})["decoding"], "decoding")


def describe(settings: Mapping[str, Any]) -> str:
    """Return the settings on one line.

    >>> describe({"strategy": "top-k", "top_k": 5, "penalty_alpha": None})
    'top-k: top_k=5'
    """
    rest = [f"{key}={value}" for key, value in settings.items() if key != "strategy" and value is not None]
    return f"{settings.get('strategy', 'greedy')}: {' '.join(rest)}".removesuffix(": ")


class Side:
    """The controls of one setting: a strategy, which puts the sliders where it has them, and the sliders."""

    def __init__(self, settings: Mapping[str, Any]):
        import ipywidgets

        def slider(kind: Any, low: float, high: float, step: float) -> Any:
            return kind(min=low, max=high, step=step, continuous_update=False)

        real, whole = ipywidgets.FloatSlider, ipywidgets.IntSlider
        self.strategy = ipywidgets.Dropdown(options=list(STRATEGIES), description="strategy")
        self.sliders = {
            "temperature": slider(real, 0.1, 2.0, 0.1),
            "top_k": slider(whole, 0, 100, 1),
            "top_p": slider(real, 0.05, 1.0, 0.05),
            "penalty_alpha": slider(real, 0.0, 1.0, 0.1),
            "max_new_tokens": slider(whole, 1, 120, 1),
            "seed": slider(whole, 0, 20, 1),
        }
        for name, control in self.sliders.items():
            control.description, control.style, control.layout.width = name, {"description_width": "9em"}, "95%"
        self.view = ipywidgets.HTML()
        # What has no slider (beams, min_p, ...) stays as it was given.
        self.extra = {key: value for key, value in settings.items() if key not in ("strategy", *self.sliders)}
        self.strategy.value = settings.get("strategy", "greedy")
        self._put(settings_config(settings))
        self.strategy.observe(self._named, names="value")
        self.strategy.style, self.view.layout.width = {"description_width": "9em"}, "50%"
        self.box = ipywidgets.VBox([self.strategy, *self.sliders.values()], layout={"width": "50%"})

    def settings(self) -> dict[str, Any]:
        """Return what the controls say. Alpha 0 is no penalty at all, unless contrastive search was asked for."""
        values = {name: control.value for name, control in self.sliders.items()}
        if not values["penalty_alpha"] and self.strategy.value != "contrastive":
            values["penalty_alpha"] = None
        return {"strategy": self.strategy.value, **self.extra, **values}

    def _put(self, config: DecodeConfig) -> None:
        for name, control in self.sliders.items():
            control.value = getattr(config, name) or 0

    def _named(self, change: Any) -> None:
        """Move the sliders to a strategy's values; length and seed stay. A refused strategy says why."""
        self.view.value, self.extra = "", {}
        kept = {name: self.sliders[name].value for name in ("max_new_tokens", "seed")}
        try:
            self._put(settings_config({"strategy": change["new"], **kept}))
        except LabError as error:
            self.view.value = page(problem(error))


def _shell(desk: Desk, first: Mapping[str, Any], second: Mapping[str, Any]) -> Any:
    """Return the widget: which turn, its history, two sides of controls, one button for both, their replies."""
    import ipywidgets

    sides, history = (Side(first), Side(second)), ipywidgets.HTML()
    button = ipywidgets.Button(description="Generate both", button_style="primary")

    def draw() -> None:
        history.value = page(desk.history(dialogue.place, turn.place))
        for side in sides:
            side.view.value = ""

    def generate(_: Any) -> None:
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
    return ipywidgets.VBox([ipywidgets.HBox(row) for row in rows])
