"""One conversation with a model: the messages, the model's answers, and the belief state if it tracks one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lab_lib.chat.end_to_end import Guide
from lab_lib.chat.partner import Partner
from lab_lib.chat.writer import Writer
from lab_lib.prompts.encode import Prompt, answer_text
from lab_lib.runs.steps import load_answering
from lab_lib.tasks.response import ResponseTask
from lab_lib.tasks.talking import Fact

Show = Callable[[str], None]  # is told the reply as far as it is written


def nobody(text: str) -> None:
    """Show an answer to nobody."""


@dataclass(frozen=True)
class Answer:
    """One system turn. `reply` is as the model wrote it, `filled` has a venue's data in the place of placeholders.

    Where the model calls functions: the calls as written, what was wrong with them, the database's answer, and the
    state after them. `facts` are what the task knows of the reply. `notes` say what of the conversation the model
    could not read.
    """

    reply: str
    filled: str
    call: str = ""
    problems: tuple[str, ...] = ()
    found: str = ""
    state: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the page gets it."""
        return asdict(self)


class Session:
    """A conversation that can be continued or restarted. An unfinished answer does not change it."""

    def __init__(self, partner: Partner, loaded: Any) -> None:
        self.partner, self.loaded, self.task = partner, loaded, partner.task.for_chat()
        self.reset()

    @classmethod
    def open(cls, partner: Partner) -> Session:
        """Load the model of a partner. Raises the errors of `load_model`."""
        return cls(partner, load_answering(partner.model, partner.config.prompt))

    def reset(self) -> None:
        """Forget all that was said."""
        self.turns: list[tuple[str, Answer]] = []
        self.written: list[list[int]] = []  # token ids of all answers, those of calls and plans too
        self.dropped = 0  # oldest turns that the model no longer reads
        self.writer = Writer(self.loaded.model, self.loaded.tokenizer, self.task.decoding)
        follows = isinstance(self.task, ResponseTask) and self.task.config.predict_state
        self.guide = Guide(self.task) if follows else None  # type: ignore[arg-type]

    @property
    def state(self) -> Mapping[str, Mapping[str, str]] | None:
        """The belief state; None where the model tracks none."""
        return self.guide.belief.state if self.guide else None

    def answer(self, text: str, show: Show = nobody) -> Answer:
        """Return the model's turn after the user said `text`; an error that `show` raises ends it.

        Raises LabError for a text that cannot be prompted with, or when memory runs out.
        """
        item = self._item(text)
        prompt, written = self._write(item, show)
        reply = answer_text(written[-1], self.loaded.tokenizer)
        notes, facts = tuple(self._left_out(prompt, written[-1])), tuple(self.task.chat_facts(item, reply))
        answer = replace(self._follow(prompt, reply), notes=notes, facts=facts)
        self.written, self.dropped = written, prompt.dropped_turns
        self.turns.append((text, answer))
        self.task.answered(item)
        return answer

    def each(self, text: str, show: Show = nobody) -> Generator[tuple[str, Answer], None, None]:
        """Yield each choice with what the model would reply to `text`; the conversation stays as it is."""
        chosen = self.task.chosen
        try:
            for choice in self.task.choices:
                self.task.choose(choice)
                item = self._item(text)
                reply = answer_text(self._write(item, show)[1][-1], self.loaded.tokenizer)
                yield choice, Answer(reply, reply, facts=tuple(self.task.chat_facts(item, reply)))
        finally:
            if self.task.choices:
                self.task.choose(chosen)

    def _write(self, item: Any, show: Show) -> tuple[Prompt, list[list[int]]]:
        """Return the prompt of the reply, and the token ids of all answers with the new ones."""
        talk = self.task.converse(item, self.loaded.tokenizer)
        prompt, written = next(talk), list(self.written)
        for ids in written:
            prompt = talk.send(ids)
        while True:
            watch = show if prompt.asks == "reply" else nobody
            ids = self.writer.write(prompt, lambda ids, watch=watch: watch(self._text(ids)))  # type: ignore[misc]
            written.append(ids)
            if prompt.asks == "reply":
                return prompt, written
            prompt = talk.send(ids)

    def _item(self, text: str) -> Any:
        """Return the task's item of the conversation so far and what the user says now."""
        pairs = [(("user", user), ("assistant", answer.filled)) for user, answer in self.turns]
        every = [*(said for pair in pairs for said in pair), ("user", text)]
        return self.task.item_from({"messages": [{"role": role, "content": content} for role, content in every]})

    def _text(self, ids: Any) -> str:
        """Return what is written so far, without a character of which only the first bytes are there."""
        return answer_text(ids, self.loaded.tokenizer).rstrip("\ufffd")

    def _follow(self, prompt: Prompt, reply: str) -> Answer:
        """Return the answer with what its calls did."""
        if self.guide is None:
            return Answer(reply, reply)
        problems, found = self.guide.follow(prompt.facts["call"])
        return Answer(reply, self.guide.fill(reply), prompt.facts["call"], problems, found, self.guide.belief.state)

    def _left_out(self, prompt: Prompt, written: Sequence[int]) -> list[str]:
        """Return notes about newly dropped turns, and about a cut answer."""
        room, lines = self.task.prompt.max_tokens, []
        if prompt.dropped_turns > self.dropped:
            turns = "turn does" if prompt.dropped_turns == 1 else f"{prompt.dropped_turns} turns do"
            lines.append(f"note: the oldest {turns} not fit into {room} tokens any more: the model has forgotten them")
        if prompt.cut_tokens:
            lines.append(f"note: the first {prompt.cut_tokens} tokens of your message do not fit into {room} tokens")
        if written[-1] != self.loaded.tokenizer.eos_token_id:
            lines.append(f"note: the answer is cut off after {len(written)} tokens (decoding.max_new_tokens)")
        return lines
