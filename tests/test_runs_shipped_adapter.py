"""The bundled adapters: they load by name; one replies far better than its base, the other can be talked to."""

from __future__ import annotations

import re

from talking import talk

from lab_lib.corpora.database import Database
from lab_lib.corpora.load import load_corpus
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_replies
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.files import read_json, sha256
from lab_lib.models.config import ModelConfig
from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
from lab_lib.models.hub import ADAPTERS
from lab_lib.models.model import generation_mode, load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_prompts
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.runs.config import load_recipe


def test_the_bundled_adapter_replies_as_in_the_town():
    town = load_corpus("town")
    dialogues = town.splits["test"][:3]
    loaded = load_model(ModelConfig(name="lab-tiny", adapter="town-adapter"))
    generation_mode(loaded.model)
    shown, database = DialogueConfig(state=True, database=True), Database(town.database)
    asked = [
        prompt
        for d in dialogues
        for prompt in dialogue_prompts(d, loaded.tokenizer, PromptConfig(), shown, database, 60)
    ]
    with merged_for_decoding(loaded.model):
        replies = generate_replies(loaded.model, loaded.tokenizer, asked, DecodeConfig(max_new_tokens=60))
    rows: dict[str, list[dict[str, str]]] = {}
    for reply in sorted(replies, key=lambda r: (r.key, r.turn)):
        rows.setdefault(reply.key, []).append({"response": reply.response})
    scores = MwzScorer.from_corpus(town, "test").score(rows, resamples=0)
    assert scores.bleu > 15 and scores.inform >= 60, scores  # the base model has 0.6 and 11.7 on all 60


def test_the_bundled_town_answers_from_its_database_and_tracks_what_is_wanted():
    shown = talk("town-end-to-end", "I am looking for a cheap hotel in the harbour area.", "/state", "/reset", "/state")
    assert "note: it knows the services of the corpus town: restaurant, hotel" in shown
    call = re.search(r"call> (.*)", shown)[1]
    assert "find_hotel(" in call and 'area="harbour"' in call and 'pricerange="cheap"' in call
    assert "found> hotel" in shown and "area=harbour" in shown.split("/state")[0] and "empty: nothing" in shown
    assert "[" not in shown.split("found>")[1].split("bot> ")[-1].split("\n")[0]  # the placeholders are filled
    base = talk("town-end-to-end", "hello", base=True)
    assert "call>" in base


def test_the_bundled_town_is_the_one_that_its_card_describes():
    folder, recipe = ADAPTERS["town-end-to-end"], load_recipe("town-end-to-end-cpu")
    weights, settings = folder / "adapter_model.safetensors", read_json(folder / "adapter_config.json")
    assert sha256(weights) in (folder / "README.md").read_text() and weights.stat().st_size < 6_100_000
    assert (settings["base_model_name_or_path"], settings["r"]) == (recipe.model.name, recipe.lora.rank)
