"""The MultiWOZ response scorer: BLEU, Inform, Success, Combined and Richness of a prediction file.

Equal to the published scorer (github.com/Tomiinek/MultiWOZ_Evaluation at 7f19ee0; Nekvinda and Dušek 2021)
in every number, and many times faster: replies are normalised once per text, the database answers with bit
masks, and n-grams are counted for all replies at once. Works on any corpus in MultiWOZ layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Literal, get_args

import numpy as np

from lab_lib.corpora.database import Database
from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Corpus, Dialogue, DomainGoal, exchanges
from lab_lib.corpora.values import Rules, normalise_state
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation import bleu
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.diversity import richness
from lab_lib.evaluation.inform import (
    DialogueVerdict,
    States,
    estimate_active_domains,
    judge,
    rates,
    slot_name_domains,
)
from lab_lib.evaluation.mwz_notes import goal_notes, reply_notes, unknown_names, with_unread
from lab_lib.evaluation.mwz_reach import reach_notes, span_notes
from lab_lib.evaluation.mwz_scores import RESAMPLES, MwzScores, main_scores
from lab_lib.evaluation.normalise import normalise_reply
from lab_lib.evaluation.prediction_checks import Checked, Turns, check_predictions
from lab_lib.evaluation.reference_hash import reference_notes
from lab_lib.evaluation.state_notes import Schema, domain_notes, idle_notes, schema_slots, state_notes
from lab_lib.evaluation.state_tracking import StateScores, count_turns, score_states

# Where the domain of a turn comes from. given: the file's `active_domains` if every turn has them, otherwise
# as estimated; estimated: from changes of the state; slot_names: from placeholders like `[hotel_name]`.
Active = Literal["given", "estimated", "slot_names"]
NO_GOAL = "no goal: left out of Inform and Success"


class MwzScorer:
    """Holds the prepared references; scores any number of prediction files.

    All four mappings are by dialogue key, then by system turn: normalised reference replies, goals
    {domain: goal} (None where there is no goal), normalised gold belief states, booked domains. A goal is a
    DomainGoal or a dict with `informable` and `requestable`. `database` is {domain: rows}. Scoring changes
    nothing but caches. Raises LabError if the mappings do not fit each other.
    """

    def __init__(
        self,
        references: Mapping[str, Sequence[str]],
        goals: Mapping[str, Mapping[str, Any] | None],
        gold_states: Mapping[str, States],
        booked: Mapping[str, Sequence[Sequence[str]]],
        database: Mapping[str, Sequence[Mapping[str, Any]]],
        rules: str = "2022",
    ) -> None:
        self._rules: Rules = _known(rules, get_args(Rules), "rules")
        self._turns = {key: len(replies) for key, replies in references.items()}
        self._states, self._booked = gold_states, booked
        for key, turns in self._turns.items():
            for name, part in (("gold states", gold_states), ("booked domains", booked)):
                if len(part.get(key, ())) != turns:
                    raise LabError(f"dialogue {key}: {turns} references, {len(part.get(key, ()))} {name}")
        self._goals = {key: _goals(goals.get(key)) for key in references}
        self._database = Database(database, self._rules)
        self._notes: tuple[str, ...] = ()
        self._schema: Schema = {}
        self._references = references
        starts = np.cumsum([0, *self._turns.values()])
        self._first_row = dict(zip(self._turns, (int(start) for start in starts), strict=False))
        self._bleu = bleu.BleuCounter([reply for replies in references.values() for reply in replies])

    @classmethod
    def from_corpus(cls, corpus: Corpus, split: str, rules: str = "2022") -> MwzScorer:
        """Take references, goals, gold states and bookings from a split. Raises LabError if it is unknown."""
        if split not in corpus.splits:
            raise LabError(f"corpus {corpus.name}: no split '{split}'{nearest(split, corpus.splits)}")
        dialogues = corpus.splits[split]
        if not any(dialogue.goal for dialogue in dialogues):
            raise LabError(f"corpus {corpus.name}, split {split}: no dialogue has a goal, Inform needs them")
        known = _known(rules, get_args(Rules), "rules")
        references = {d.key: [normalise_reply(delexicalise(turn))[0] for turn in d.system_turns] for d in dialogues}
        scorer = cls(
            references,
            {dialogue.key: dialogue.goal for dialogue in dialogues},
            {dialogue.key: _gold_states(dialogue, known) for dialogue in dialogues},
            {dialogue.key: [turn.booked for turn in dialogue.system_turns] for dialogue in dialogues},
            corpus.database,
            known,
        )
        goals = [goal for goal in scorer._goals.values() if goal]
        scorer._notes = (
            *reference_notes(corpus.name, split, references),
            *span_notes(turn for dialogue in dialogues for turn in dialogue.system_turns),
            *reach_notes(goals, scorer._booked, scorer._database),
        )
        scorer._schema = schema_slots(corpus.schema)
        return scorer

    def score(
        self,
        predictions: Mapping[str, Turns],
        resamples: int = RESAMPLES,
        seed: int = 0,
        active: str = "given",
    ) -> MwzScores:
        """Score {dialogue: [{"response", "state"?, "active_domains"?}, ...]}; 0 resamples: no intervals.

        Dialogues may be missing, and turns at the end of one; both are counted in `notes`. The input is not
        changed. Raises LabError for input that cannot be scored (see `check_predictions`).
        """
        source: Active = _known(active, get_args(Active), "active")
        checked = check_predictions(predictions, self._turns)
        normalised = {
            key: [normalise_reply(turn["response"]) for turn in turns] for key, turns in checked.dialogues.items()
        }
        replies = {key: tuple(text for text, _ in turns) for key, turns in normalised.items()}
        domains, verdicts = self._verdicts(checked, replies, source)
        verdicts = {
            key: with_unread(verdict, [names for _, names in normalised[key]], checked.dialogues[key])
            for key, verdict in verdicts.items()
        }
        counts = self._counts(replies, verdicts)
        return MwzScores(
            **_totals(counts, verdicts),
            richness=richness([reply for turns in replies.values() for reply in turns]),
            intervals=intervals(counts, main_scores, resamples, seed) if resamples else {},
            unknown_placeholders=dict(unknown_names(normalised).most_common()),
            dialogues=len(replies),
            turns=sum(map(len, replies.values())),
            per_dialogue=verdicts,
            notes=(
                *(*self._notes, *checked.notes, *goal_notes(verdicts), *self._state_notes(checked)),
                *reply_notes(checked.dialogues, normalised, self._expected(replies), self._bleu),
            ),
            signature=self._signature(checked, source, resamples, seed),
            replies=replies,
            active_domains=domains,
            counts=counts,
        )

    def score_states(self, predictions: Mapping[str, Turns]) -> StateScores:
        """Return joint accuracy and slot F1 of the predicted states against the gold ones.

        Raises LabError as `score` does, and also if a turn has no state: filled with gold it would count as right.
        """
        found = self._own_states(predictions)
        notes = tuple(self._notes_of_states(found))
        return replace(score_states((ours, self._states[key]) for key, ours in found.items()), notes=notes)

    def count_states(self, predictions: Mapping[str, Turns]) -> dict[str, list[tuple[int, int, int, int]]]:
        """Return {dialogue: a count each turn}, see `count_turns`: what `score_states` sums. Raises as it does."""
        return {key: count_turns(ours, self._states[key]) for key, ours in self._own_states(predictions).items()}

    def _notes_of_states(self, states: Mapping[str, States]) -> list[str]:
        """Return the notes on predicted states {dialogue: states}, normalised."""
        pairs = (pair for key, ours in states.items() for pair in zip(ours, self._states[key], strict=False))
        return state_notes(pairs, self._schema)

    def _state_notes(self, checked: Checked) -> list[str]:
        """Return the notes on the predicted states and active domains, if these are used."""
        states = {key: [normalise_state(t["state"], self._rules) for t in turns] if checked.states else []
                  for key, turns in checked.dialogues.items()}  # fmt: skip
        given = checked.dialogues.values() if checked.active_domains else ()
        active = [[turn["active_domains"] for turn in turns] for turns in given]
        names = (name for turns in active for turn in turns for name in turn)
        return [*self._notes_of_states(states), *domain_notes(names, self._schema), *idle_notes(active)]

    def _own_states(self, predictions: Mapping[str, Turns]) -> dict[str, States]:
        """Return the predicted states, normalised."""
        checked = check_predictions(predictions, self._turns)
        if not checked.states:
            raise LabError("state tracking is not available: not every predicted turn has a 'state'")
        return {
            key: [normalise_state(turn["state"], self._rules) for turn in turns]
            for key, turns in checked.dialogues.items()
        }

    def _verdicts(
        self, checked: Checked, replies: Mapping[str, Sequence[str]], source: Active
    ) -> tuple[dict[str, tuple[tuple[str, ...], ...]], dict[str, DialogueVerdict]]:
        """Return the active domains of every turn and the verdict on every dialogue."""
        domains, verdicts = {}, {}
        for key, turns in checked.dialogues.items():
            own = checked.states
            states = [normalise_state(t["state"], self._rules) for t in turns] if own else self._states[key]
            domains[key] = _active(turns, states, source, checked.active_domains)
            goal = self._goals[key]
            verdicts[key] = (
                judge(replies[key], states, domains[key], goal, self._booked[key], self._database)
                if goal is not None
                else DialogueVerdict({}, {}, (NO_GOAL,))
            )
        return domains, verdicts

    def _counts(self, replies: Mapping[str, Sequence[str]], verdicts: Mapping[str, DialogueVerdict]) -> np.ndarray:
        """Return one row per dialogue: the BLEU counts of its turns, has a goal, informs, succeeds."""
        rows = [self._first_row[key] + turn for key, turns in replies.items() for turn in range(len(turns))]
        by_turn = self._bleu.counts([reply for turns in replies.values() for reply in turns], rows)
        # Running totals before each dialogue and after the last: differences are sums, also of no turns.
        ends = np.cumsum([0, *map(len, replies.values())])
        running = np.vstack([np.zeros((1, by_turn.shape[1]), np.int64), np.cumsum(by_turn, axis=0)])
        judged = [
            ["total" in v.match, v.match.get("total", False), v.success.get("total", False)] for v in verdicts.values()
        ]
        return np.hstack([np.diff(running[ends], axis=0), np.array(judged, dtype=np.int64)])

    def _expected(self, replies: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the references of the replies."""
        return [text for key, turns in replies.items() for text in self._references[key][: len(turns)]]

    def _signature(self, checked: Checked, source: Active, resamples: int, seed: int) -> str:
        """Return everything that the numbers depend on besides the files."""
        given = source == "given" and checked.active_domains
        parts = [
            f"mwz|rules:{self._rules}|states:{'given' if checked.states else 'gold'}",
            f"active:{'given' if given else source.replace('given', 'estimated')}|{bleu.SIGNATURE}",
            f"bootstrap:{resamples}|seed:{seed}",
            *(f"{name}:{version(name)}" for name in ("sacrebleu", "sacremoses", "rapidfuzz", "numpy")),
        ]
        return "|".join(parts)


def _active(turns: Turns, states: States, source: Active, given: bool) -> tuple[tuple[str, ...], ...]:
    """Return the active domains of a dialogue's turns from the source asked for."""
    if source == "slot_names":
        return tuple(tuple(slot_name_domains(turn["response"])) for turn in turns)
    if source == "given" and given:
        return tuple(tuple(turn["active_domains"]) for turn in turns)
    return tuple(map(tuple, estimate_active_domains(states[: len(turns)])))


def _totals(counts: np.ndarray, verdicts: Mapping[str, DialogueVerdict]) -> dict[str, Any]:
    """Return the scores over all dialogues, by field of MwzScores; rates to one decimal as published."""
    score = main_scores(counts.sum(axis=0))["bleu"]
    inform = rates(verdict.match for verdict in verdicts.values())
    success = rates(verdict.success for verdict in verdicts.values())
    total = inform.pop("total", 0.0), success.pop("total", 0.0)
    return {
        "bleu": score,
        "inform": total[0],
        "success": total[1],
        "combined": (total[0] + total[1]) / 2 + score,
        "inform_by_domain": inform,
        "success_by_domain": success,
    }


def _goals(goal: Mapping[str, Any] | None) -> dict[str, DomainGoal] | None:
    """Return {domain: DomainGoal} of a goal given as such or as plain dicts."""
    if goal is None:
        return None
    return {
        domain: part if isinstance(part, DomainGoal) else DomainGoal(part["informable"], tuple(part["requestable"]))
        for domain, part in goal.items()
    }


def _gold_states(dialogue: Dialogue, rules: Rules) -> list[dict[str, dict[str, Any]]]:
    """Return the normalised belief state before each system turn: first values, `dontcare` left out."""
    return [normalise_state(exchange.state.first(), rules) for exchange in exchanges(dialogue)]


def _known(value: str, valid: Sequence[str], what: str) -> Any:
    """Return a value that is one of the valid ones, or raise LabError."""
    if value not in valid:
        raise LabError(f"{what}: unknown '{value}'{nearest(value, valid)}")
    return value
