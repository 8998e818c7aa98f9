"""Dialogue states from single utterances: what is carried over, and other wordings of a schema."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from command_line import lab
from exemplar_dialogues import SCHEMA, frame, system, user

from lab_lib.config import to_yaml
from lab_lib.errors import LabError
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_frames import FrameVerdict
from lab_lib.evaluation.sgd_scores import SgdScores
from lab_lib.exemplars.make import make_exemplar
from lab_lib.exemplars.schema_functions import Names, document_text
from lab_lib.exemplars.types import NONE, UNKNOWN
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.retriever import Retriever
from lab_lib.runs.config import load_recipe
from lab_lib.tasks.schema_guided_combine import FEATURES
from lab_lib.tasks.schema_guided_text import Style
from lab_lib.understand.acceptance import fit_acceptance, proposals, share_right
from lab_lib.understand.apis import apis_of, slots_taken
from lab_lib.understand.measure_states import Measured, StatesConfig, as_json, table_rows, variant_figures, variant_line
from lab_lib.understand.offers import Offer
from lab_lib.understand.said_states import said_states
from lab_lib.understand.states import Asking, predict_states
from lab_lib.understand.states_together import Together
from lab_lib.understand.variants import VARIANTS

NAMES = Names.of([SCHEMA], "here")
WORDED = copy.deepcopy(SCHEMA)
for service in WORDED:
    for one in (*service["slots"], *service["intents"]):
        one["name"] = f"Other{one['name']}"
KNOWN = [
    make_exemplar("a", "a bed in Rome", "find_inn", {"town": ("Rome",)}, UNKNOWN),
    make_exemplar("b", "book it", "book_inn", {}, UNKNOWN),
]
DIALOGUE = {
    "dialogue_id": "1_00000",
    "services": ["Inns_1"],
    "turns": [
        user("a bed in Ulm", frame("Inns_1", "FindInn", [("INFORM", "town", "Ulm")])),
        {"speaker": "SYSTEM", "utterance": "With a garden?",
         "frames": [{"service": "Inns_1", "slots": [],
                     "actions": [{"act": "REQUEST", "slot": "has_garden", "values": []}]}]},
        user("yes", frame("Inns_1", "FindInn", state={"town": ["Ulm"], "has_garden": ["True"]})),
        {"speaker": "SYSTEM", "utterance": "There is one.", "frames": []},
        user("book it", frame("Inns_1", "BookInn", state={"town": ["Ulm"], "has_garden": ["True"]})),
    ],
}  # fmt: skip


@pytest.mark.parametrize("wording", [None, WORDED])
def test_states_hold_what_was_said_and_what_still_holds(wording):
    seen = []

    def ask(questions):
        """Answer as a perfect model would."""
        texts = []
        for question in questions:
            said = question.messages[-1].text
            seen.append(said)
            if not question.function:
                wanted = "book_inn" if "book it" in said else "find_inn" if "bed" in said else "none"
                texts.append(next((one for one in question.answers.options if one.endswith(wanted)), "none"))
            elif question.slot.endswith("town"):
                texts.append("Ulm" if "Ulm" in said else "null")
            else:
                garden = question.slot.endswith("has_garden")
                texts.append(("affirmed" if "yes" in said else "irrelevant") if garden else "null")
        return texts

    apis = apis_of(SCHEMA, "here", NAMES, wording)
    retriever = Retriever((), KNOWN, RetrievalConfig(exemplars="tfidf", descriptions="tfidf"))
    found = predict_states({"1_00000": DIALOGUE}, apis, Asking(retriever, 2, Style(), ask))
    scores = SgdScorer({"1_00000": DIALOGUE}, SCHEMA, ["Inns_1"]).score(found, resamples=0)
    assert scores.metrics["#ALL_SERVICES"]["joint_goal_accuracy"] == 1
    assert scores.metrics["#ALL_SERVICES"]["active_intent_accuracy"] == 1
    assert any(text.endswith("yes") and "has_garden" in text for text in seen)
    measured = Measured(("1_00000",), {"original": (scores, scores)})
    assert table_rows(measured)[0][:3] == ("original", "all services", "100.0")
    assert as_json(measured, StatesConfig())["scores"]["original"]["exact"]["metrics"]


def test_a_new_function_is_opened_by_its_description_and_the_weights_of_a_run():
    """The model answers none to everything; book_inn has no exemplar, and its description is nearest to "book it"."""
    apis = apis_of(SCHEMA, "here", NAMES)
    texts = [document_text(api.skill.name, api.skill.function.description) for own in apis.values() for api in own]

    class WordEncoder:
        """Stands for an embedding model: which words a text has."""

        words = sorted(set(re.findall(r"\w+", " ".join(texts).lower())))

        def documents(self, given):
            found = np.array([[float(word in text.lower().split()) for word in self.words] for text in given])
            return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

        queries = documents

    known = [one for one in KNOWN if one.target_name == "find_inn"]
    retriever = Retriever((), known, RetrievalConfig(exemplars="tfidf", descriptions="embedding"), WordEncoder())
    weights = np.array([{"described": 3.0, "new": 1.0, "none": 2.0}.get(name, 0.0) for name in FEATURES])
    answers_none = lambda asked: [{text: -0.1 if text == NONE else -9.0 for text in one.answers.options}  # noqa: E731
                                  for one in asked]  # fmt: skip
    together = Together(weights, answers_none)
    ask = lambda asked: ["null"] * len(asked)  # noqa: E731
    found = predict_states({"1_00000": DIALOGUE}, apis, Asking(retriever, 2, Style(), ask, together))
    turns = [turn["frames"] for turn in found["1_00000"]["turns"] if turn["speaker"] == "USER"]
    assert [one["state"]["active_intent"] for one in turns[-1]] == ["BookInn"]


GARDEN = {"town": ["Ulm"], "has_garden": ["True"]}
PROPOSED = {
    "dialogue_id": "1_00000",
    "services": ["Inns_1"],
    "turns": [
        user("a bed in Ulm", frame("Inns_1", "FindInn", [("INFORM", "town", "Ulm")])),
        system(("OFFER", "has_garden", "True"), ("OFFER", "price", "30")),  # no intent takes a price
        user("what does it cost?", frame("Inns_1", "FindInn", [("REQUEST", "price")], state={"town": ["Ulm"]})),
        system(("INFORM", "price", "30")),
        user("that works", frame("Inns_1", "FindInn", [("SELECT", "")], state=GARDEN)),
        system(("OFFER_INTENT", "intent", "BookInn")),
        user("yes please", frame("Inns_1", "BookInn", [("AFFIRM_INTENT", "")], state=GARDEN)),
        system(("CONFIRM", "nights", "2"), ("CONFIRM", "town", "Ulm")),
        user("yes", frame("Inns_1", "BookInn", [("AFFIRM", "")], state={**GARDEN, "nights": ["2"]})),
        system(("REQ_MORE", "", "")),
        user("no, that is all", frame("Inns_1", "NONE", [("NEGATE", "")], state={**GARDEN, "nights": ["2"]})),
    ],
}


@pytest.mark.parametrize("learns", [True, False])
def test_what_the_user_accepts_enters_the_state(learns):
    """An offer that is accepted two turns later, an offered intent, values to confirm, and the end of a request."""
    apis = apis_of(SCHEMA, "here", NAMES)
    taken = slots_taken(apis)
    learned = fit_acceptance([PROPOSED], taken)
    assert share_right(learned, list(proposals([PROPOSED], taken))) == 1

    def ask(questions):
        """Answer each question about a function with find_inn or none, as the first or a later turn wants."""
        said = [(one, one.messages[-1].text) for one in questions]
        names = [next((text for text in one.answers.options if text.endswith("find_inn")), "") for one, _ in said]
        return [(name if "bed" in text else NONE) if not one.function
                else "Ulm" if one.slot.endswith("town") and "Ulm" in text else "null"
                for (one, text), name in zip(said, names, strict=True)]  # fmt: skip

    retriever = Retriever((), KNOWN, RetrievalConfig(exemplars="tfidf", descriptions="tfidf"))
    asking = Asking(retriever, 2, Style(), ask, acceptance=learned if learns else None)
    scorer = SgdScorer({"1_00000": PROPOSED}, SCHEMA, ["Inns_1"])
    found = {
        "model": predict_states({"1_00000": PROPOSED}, apis, asking),
        "ceiling": said_states({"1_00000": PROPOSED}, apis, NAMES, accepts=learns),
    }
    goals = {name: scorer.score(one, resamples=0).metrics["#ALL_SERVICES"] for name, one in found.items()}
    assert goals["model"]["joint_goal_accuracy"] == goals["ceiling"]["joint_goal_accuracy"] == (1 if learns else 2 / 6)
    assert goals["model"]["active_intent_accuracy"] == (1 if learns else 3 / 6)


def test_a_correction_is_no_acceptance_and_a_malformed_state_is_refused():
    offer = Offer("Inns_1", "CONFIRM", {"town": ("Ulm",), "nights": ("2",)})
    assert not offer.accepted(
        user("three nights", frame("Inns_1", "BookInn", state={"town": ["Ulm"], "nights": ["3"]}))
    )
    assert not offer.accepted(user("a boat", frame("Boats_1", "FindBoat")))
    broken = {**PROPOSED, "turns": [user("a bed", {"service": "Inns_1", "state": {"active_intent": 3}})]}
    with pytest.raises(LabError, match="dialogue 1_00000, turn 0: active_intent is 3"):
        list(proposals([broken], {}))


def test_the_ceiling_is_what_users_say():
    """`yes` accepts a value that the system named: the state has it, the user does not say it."""
    apis = apis_of(SCHEMA, "here", NAMES)
    state = {"town": ["Ulm"], "has_garden": ["True"]}
    accepted = user("yes", frame("Inns_1", "FindInn", [("AFFIRM", "", "")], state=state))
    dialogue = {**DIALOGUE, "turns": [*DIALOGUE["turns"][:2], accepted, *DIALOGUE["turns"][3:]]}
    found = {}
    for name, one in (("said", DIALOGUE), ("accepted", dialogue)):
        scorer = SgdScorer({"1_00000": one}, SCHEMA, ["Inns_1"])
        found[name] = scorer.score(said_states({"1_00000": one}, apis, NAMES), resamples=0).metrics["#ALL_SERVICES"]
    assert found["said"]["joint_goal_accuracy"] == found["accepted"]["active_intent_accuracy"] == 1
    assert found["accepted"]["joint_goal_accuracy"] == pytest.approx(1 / 3)


def test_average_and_sensitivity_over_the_wordings_by_seen_and_unseen_services():
    """Two frames of a seen service: always right, right in one of five wordings. 1 / .2 x sqrt(.2) = 2.236; / 2."""

    def scores(second: float) -> SgdScores:
        frames = tuple(FrameVerdict("d", turn, "Inns_1", {"joint_goal_accuracy": goal}, ())
                       for turn, goal in enumerate((1.0, second)))  # fmt: skip
        return SgdScores({"#ALL_SERVICES": {}}, {}, "exact", False, {}, ("d",), (), "", frames, {})

    wordings = {name: (scores(float(place == 0)),) * 2 for place, name in enumerate(VARIANTS)}
    found = Measured(("d",), wordings, frozenset({"Inns_1"}))
    figures = variant_figures(found)
    assert figures["fuzzy"] == figures["exact"] and set(figures["exact"]) == {"all services", "seen"}
    assert figures["exact"]["seen"] == pytest.approx({"average": 60.0, "sensitivity": 111.803}, abs=1e-3)
    assert "all services 60.0 (sensitivity 111.8), seen 60.0" in str(variant_line(found))
    assert variant_line(Measured((), {})) is None


def test_a_run_of_another_task_is_refused(tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(to_yaml(load_recipe("town-qlora-cpu")))
    assert lab("understand", "states", folder, "--out", tmp_path / "s.json") == 2
    assert "expected one of task schema_guided" in " ".join(capsys.readouterr().err.split())
