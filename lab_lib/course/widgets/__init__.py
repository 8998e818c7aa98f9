"""Five widgets of the course. Each call shows its widget below the cell and returns nothing.

    from lab_lib.course import widgets

    widgets.browse(corpus)                      dialogues with spans, states and acts; search by id or domain
    widgets.playground(loaded, dialogues)       decode one turn in two ways, side by side, with token probabilities
    widgets.watch(run_folder)                   the training curve and sample replies, live or replayed
    widgets.errors(run_folder)                  the dialogues with a cause of failure, gold and system side by side
    widgets.emotions(session)                   a reply with each emotion, and what the judges find in it

With all arguments and their defaults:

    widgets.browse(corpus, split="test", search="hotel train", static=None)
    widgets.playground(loaded, dialogues, prompt=PromptConfig(), database=None, first={}, second={...}, static=None,
                       shown=DialogueConfig())
    widgets.watch(run_folder, every=2.0, static=None)
    widgets.errors(run_folder, system="fine-tuned", cause=None, static=None)
    widgets.emotions(session, text="I lost my ring!", static=None)

`prompt`, `shown` (the parts of a dialogue in its prompts) and `database` of the playground must be those that the
adapter was trained with: for the bundled town adapter `PromptConfig()`, `DialogueConfig(state=True, database=True)` and
`Database(corpus.database)`. `first` and `second` are the settings that the two sides begin with, for example
{"strategy": "top-p", "top_p": 0.8, "seed": 1}.

Where nobody can move a slider, the first view is shown as plain HTML and a picture instead:
- with `static=True`;
- when the environment variable LAB_STATIC_WIDGETS is 1 (0 asks for the sliders whatever the next rule says);
- when the kernel may not ask for input: nbclient, nbmake, nbconvert and papermill run notebooks so, a person's
  JupyterLab or Colab does not. Executed notebooks therefore hold no widget state, and GitHub shows them;
- when ipywidgets is not installed, or there is no kernel at all.

Everything that people or models wrote is shown as text, never as HTML.
"""

from lab_lib.course.widgets.decoding import playground
from lab_lib.course.widgets.dialogues import browse
from lab_lib.course.widgets.emotions import emotions
from lab_lib.course.widgets.failures import errors
from lab_lib.course.widgets.training import watch

__all__ = ["browse", "emotions", "errors", "playground", "watch"]
