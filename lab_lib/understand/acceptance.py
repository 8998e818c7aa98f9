"""Whether a user accepts what the system proposed: a logistic regression on the words of the utterance for each kind.

"That works", "yes, please" and "no, that's all" name neither a function nor a value, so a retriever finds nothing for
them, and a generator of functions and values answers none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.sgd_dialogues import check_dialogue, fault, frames_of
from lab_lib.understand.offers import Offer, Offers

STRENGTH = 10.0  # the inverse of the regularisation
WORD = r"[\w']+|[?!]"


@dataclass(frozen=True)
class Acceptance:
    """Predicts whether proposals are accepted. `models` is {kind: a fitted pipeline, or the only label it had}."""

    models: Mapping[str, Any]

    def accepts(self, asked: Sequence[tuple[Offer, str]]) -> list[bool]:
        """Return for each (proposal, the user's utterance) whether it is accepted; a kind that is not known is not."""
        return [self._one(offer.kind, utterance) for offer, utterance in asked]

    def _one(self, kind: str, utterance: str) -> bool:
        model = self.models.get(kind, False)
        return model if isinstance(model, bool) else bool(model.predict([utterance])[0])


def fit_acceptance(dialogues: Iterable[Mapping[str, Any]], taken: Mapping[str, Any]) -> Acceptance:
    """Learn from annotated dialogues which utterances accept a proposal. `taken` is as in Offers.

    Raises LabError if scikit-learn is not installed.
    """
    rows: dict[str, tuple[list[str], list[bool]]] = {}
    for offer, utterance, accepted in proposals(dialogues, taken):
        texts, labels = rows.setdefault(offer.kind, ([], []))
        texts.append(utterance)
        labels.append(accepted)
    return Acceptance({kind: _fit(texts, labels) for kind, (texts, labels) in rows.items()})


def proposals(dialogues: Iterable[Mapping[str, Any]], taken: Mapping[str, Any]) -> Iterator[tuple[Offer, str, bool]]:
    """Yield (proposal, the user's utterance, whether the annotation accepts it), with the annotated states before it.

    Raises LabError for a malformed dialogue.
    """
    for dialogue in dialogues:
        where = f"dialogue {dialogue.get('dialogue_id')}"
        check_dialogue(dialogue, where)
        offers, states = Offers(taken), dict[str, Any]()
        for number, turn in enumerate(dialogue["turns"]):
            if turn.get("speaker") != "USER":
                offers.hear(turn)
                continue
            frames = frames_of(turn, f"{where}, turn {number}")
            if wrong := next(filter(None, map(fault, frames)), ""):
                raise LabError(f"{where}, turn {number}: {wrong}")
            for offer in offers.open(states):
                accepted = offer.accepted(turn)
                if accepted:
                    offers.close(offer)
                yield offer, turn["utterance"], accepted
            states |= {frame["service"]: frame["state"]["slot_values"] for frame in frames}


def share_right(acceptance: Acceptance, found: Sequence[tuple[Offer, str, bool]]) -> float:
    """Return the share of proposals whose acceptance is predicted right, 0 to 1."""
    guessed = acceptance.accepts([(offer, utterance) for offer, utterance, _ in found])
    return sum(guess == right for guess, (*_, right) in zip(guessed, found, strict=True)) / max(1, len(found))


def _fit(texts: list[str], labels: list[bool]) -> Any:
    """Return a fitted pipeline; the label itself if there is only one."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError:
        raise LabError("accepted proposals need the package scikit-learn: pip install -e '.[retrieval]'") from None
    if len(set(labels)) == 1:
        return labels[0]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD)
    return make_pipeline(words, LogisticRegression(C=STRENGTH, max_iter=2000)).fit(texts, labels)
