"""An Ollama Modelfile: the GGUF file, how messages become a prompt, where an answer ends.

Ollama's templates are Go's. Ours is made by trying the model's own template: what stands before the first message,
between two messages, and before an answer is the same in every conversation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.prompts.chat_template import SLOT, chat_template, slot
from lab_lib.prompts.template import PLAIN

Render = Callable[[Sequence[str]], str]  # roles of messages, whose texts are slots -> the prompt for an answer


def modelfile(gguf: str, tokenizer: Any, template: str) -> str:
    """Return the Modelfile for the file called `gguf`; `template` is the run's: chat or plain."""
    render = _chat(tokenizer) if template == "chat" else _plain
    stops = [tokenizer.eos_token] if template == "chat" else [tokenizer.eos_token, PLAIN.end]
    lines = [f"FROM ./{gguf}", f'TEMPLATE """{go_template(render, bos=tokenizer.bos_token or "")}"""']
    return "\n".join([*lines, *(f"PARAMETER stop {json.dumps(stop)}" for stop in stops)]) + "\n"


def go_template(render: Render, bos: str) -> str:
    """Return the Go template that writes what `render` writes, for conversations of system, user and assistant.

    Ollama puts BOS in front by itself, so a BOS that the template writes is left out.
    """
    alone = _gaps(render(["user"]))
    talk = _gaps(render(["user", "assistant", "user"]))
    first, answer, again = alone[0].removeprefix(bos), alone[1], talk[2]
    if not talk[1].startswith(answer) or talk[3] != answer:
        raise LabError("the chat template writes what leads to an answer in more than one way; no Modelfile is made")
    lead = talk[1].removeprefix(answer)  # the space that a model writes itself where it is asked
    try:
        start, after = _gaps(render(["system", "user"]))[:2]
    except LabError:  # no system role: its words stand before the user's
        start, after = first, ""
    start = start.removeprefix(bos)
    go = json.dumps
    return (
        f"{{{{- $before := {go(first)} }}}}{{{{ range .Messages }}}}"
        f'{{{{ if eq .Role "system" }}}}{{{{ {go(start)} }}}}{{{{ .Content }}}}{{{{ $before = {go(after)} }}}}'
        f'{{{{ else if eq .Role "user" }}}}{{{{ $before }}}}{{{{ .Content }}}}{{{{ {go(answer)} }}}}'
        f'{{{{ else if eq .Role "assistant" }}}}{{{{ {go(lead)} }}}}{{{{ .Content }}}}{{{{ $before = {go(again)} }}}}'
        "{{ end }}{{ end }}"
    )


def _gaps(text: str) -> list[str]:
    """Return what stands around the slots of a rendered conversation."""
    return SLOT.split(text)[::2]


def _chat(tokenizer: Any) -> Render:
    template = chat_template(tokenizer)

    def render(roles: Sequence[str]) -> str:
        chat = [{"role": role, "content": slot(number)} for number, role in enumerate(roles)]
        text = template.render(chat, ask=True).text
        if len(SLOT.findall(text)) != len(roles):
            raise LabError(f"the chat template leaves out a message of {', '.join(roles)}")
        return text

    return render


def _plain(roles: Sequence[str]) -> str:
    """Write messages as the plain template does; every message but the last answer's prefix ends its line."""
    lines = [f"{PLAIN.before(role)} {slot(number)}{PLAIN.end}" for number, role in enumerate(roles)]
    return "".join(lines) + PLAIN.before("assistant")
