"""Fine-tuning on questions and answers as a Hamilton dataflow: read it from top to bottom, it runs in that order.

    from hamilton import driver
    from lab_lib.dataflows import seq2seq

    dr = driver.Builder().with_modules(seq2seq).with_config({"start": "base"}).build()
    result = dr.execute(["hold_out_set_metrics"], inputs={"data_path": "my.json", "output_text_key": "reply"})

A node is a function, its arguments are the nodes and inputs that it reads. An input that is not given has the value of
the recipe dataflow-questions-cpu: `model_id_tokenizer` is the bundled lab-tiny-t5, an encoder-decoder; decoders work
too. `training`, `lora` and the other sections are mappings of settings, as in a recipe. With `{"start": "presaved"}`
nothing is trained: the model in the folder `saved_model` goes the same way from there on.

Between nodes travel artefacts (a path, a hash, numbers) and settings, never a model. The work is done in steps.py,
whose code is among what `environment` stands for. There are no helpers here: a cache sees the code of nodes alone.
"""

from __future__ import annotations

import pandas as pd
from hamilton.function_modifiers import cache, config, extract_fields

from lab_lib.dataflows import environment as surroundings
from lab_lib.dataflows import inputs, report_page, settings, steps, tables

# ---- What a result depends on: read anew in every run, whatever a cache says ---------------------------------------


@cache(behavior="recompute")
def environment() -> dict:
    """Versions of Python and packages, and a hash of the sources of lab_lib."""
    return {**surroundings.versions(), "sources": surroundings.sources_hash()}


@cache(behavior="recompute")
def raw_dataset(data_path: str | None = None) -> dict:
    """A copy of the JSON list of questions and answers."""
    return inputs.raw_dataset(data_path)


@cache(behavior="recompute")
def base_model(model_id_tokenizer: str | None = None, model: dict | None = None) -> dict:
    """Which model is fine-tuned: its settings, its architecture, and the hashes of its files."""
    return inputs.base_model(model_id_tokenizer, settings.given("model", model))


# ---- Data ----------------------------------------------------------------------------------------------------------


def split_settings(
    input_text_key: str | None = None,
    output_text_key: str | None = None,
    train_size: float | None = None,
    validation_size: float | None = None,
    random_state: int | None = None,
    data: dict | None = None,
) -> dict:
    """The names of the two keys of a record, and how the records are drawn."""
    keys = (input_text_key, output_text_key)
    return inputs.split_settings(keys, train_size, validation_size, random_state, settings.given("data", data))


@extract_fields({"train_set": dict, "validation_set": dict, "hold_out_set": dict})
def sets(raw_dataset: dict, split_settings: dict, environment: dict) -> dict:
    """The questions in three sets, drawn by the seed; near copies stay in one set."""
    return steps.split(raw_dataset, split_settings)


# ---- Tokens --------------------------------------------------------------------------------------------------------


def model_and_prompt(base_model: dict, prompt: dict | None = None) -> dict:
    """The base model with how a question becomes its tokens: pairs of source and target for an encoder-decoder."""
    return inputs.model_and_prompt(base_model, settings.given("prompt", prompt))


def tokenizer(model_and_prompt: dict, environment: dict) -> dict:
    """The tokenizer of the base model: the hash of its files, and its size."""
    return inputs.tokenizer(model_and_prompt)


def lengths(train_set: dict, model_and_prompt: dict, tokenizer: dict, environment: dict) -> dict:
    """The longest question and answer of the training set in tokens, and their 95th percentiles: of no other set."""
    return tables.lengths(train_set, model_and_prompt)


def tokenized_train(train_set: dict, lengths: dict, model_and_prompt: dict, tokenizer: dict, environment: dict) -> dict:
    """The training examples: token ids, and which of them are supervised. A reference is never cut."""
    return steps.tokenised("tokenized_train", train_set, model_and_prompt, lengths)


def tokenized_validation(
    validation_set: dict, lengths: dict, model_and_prompt: dict, tokenizer: dict, environment: dict
) -> dict:
    """The same for the validation set, with how many are longer than anything that was trained on."""
    return steps.tokenised("tokenized_validation", validation_set, model_and_prompt, lengths)


def tokenized_hold_out(
    hold_out_set: dict, lengths: dict, model_and_prompt: dict, tokenizer: dict, environment: dict
) -> dict:
    """The same for the hold-out set."""
    return steps.tokenised("tokenized_hold_out", hold_out_set, model_and_prompt, lengths)


# ---- Training ------------------------------------------------------------------------------------------------------


def lora_config(lora: dict | None = None) -> dict:
    """What is trained: an adapter of some rank, or every weight."""
    return settings.given("lora", lora)


def training_args(training: dict | None = None) -> dict:
    """How it is trained: epochs, learning rate, seed."""
    return settings.given("training", training)


def generation_args(decoding: dict | None = None) -> dict:
    """How answers are generated: greedily, unless said otherwise."""
    return settings.given("decoding", decoding)


def checkpoint_decoding(generation_args: dict, training_args: dict) -> dict:
    """How the validation answers that choose the checkpoint are generated; nothing where none are."""
    return generation_args if training_args["evaluate_every"] else {}


@config.when(start="base")
def fitted(
    tokenized_train: dict,
    validation_set: dict,
    model_and_prompt: dict,
    tokenizer: dict,
    lora_config: dict,
    training_args: dict,
    checkpoint_decoding: dict,
    environment: dict,
) -> dict:
    """The fine-tuned model at its best checkpoint, with the losses and validation scores by step."""
    sections = {"lora": lora_config, "training": training_args, "decoding": checkpoint_decoding}
    return steps.train(model_and_prompt, sections, tokenized_train, validation_set, environment)


@config.when(start="base")
def best_checkpoint(fitted: dict, training_args: dict, environment: dict) -> dict:
    """At which step the validation score was best, of how many steps, and the scores there."""
    return steps.best_checkpoint(fitted, training_args)


@config.when(start="base")
def save_best_models__base(fitted: dict, best_checkpoint: dict) -> dict:
    """The saved model. It is that of the best checkpoint of the fitted model, on which this node depends."""
    return steps.save_best(fitted, best_checkpoint)


@config.when(start="presaved")
@cache(behavior="recompute")
def save_best_models__presaved(saved_model: str, base_model: dict) -> dict:
    """A copy of a model that was saved before: the folder of an artefact, of a run, or of an adapter."""
    return inputs.saved_model(saved_model, base_model)


# ---- Answers -------------------------------------------------------------------------------------------------------


def untuned_on_validation_set(
    validation_set: dict, model_and_prompt: dict, generation_args: dict, environment: dict
) -> dict:
    """What the base model answers to the validation questions."""
    return steps.answers("base", model_and_prompt, generation_args, validation_set, "untuned_validation")


def untuned_on_hold_out_set(
    hold_out_set: dict, model_and_prompt: dict, generation_args: dict, environment: dict
) -> dict:
    """What the base model answers to the hold-out questions."""
    return steps.answers("base", model_and_prompt, generation_args, hold_out_set, "untuned_hold_out")


def tuned_on_validation_set(
    save_best_models: dict, validation_set: dict, model_and_prompt: dict, generation_args: dict, environment: dict
) -> dict:
    """What the fine-tuned model answers to the validation questions."""
    found = save_best_models
    return steps.answers("finetuned", model_and_prompt, generation_args, validation_set, "tuned_validation", found)


def tuned_on_hold_out_set(
    save_best_models: dict, hold_out_set: dict, model_and_prompt: dict, generation_args: dict, environment: dict
) -> dict:
    """What the fine-tuned model answers to the hold-out questions."""
    found = save_best_models
    return steps.answers("finetuned", model_and_prompt, generation_args, hold_out_set, "tuned_hold_out", found)


def finetuned_model_on_validation_set(tuned_on_validation_set: dict, validation_set: dict) -> pd.DataFrame:
    """Validation questions, reference answers and the fine-tuned model's answers as a table."""
    return tables.answers(tuned_on_validation_set, validation_set)


def hold_out_set_predictions(tuned_on_hold_out_set: dict, hold_out_set: dict) -> pd.DataFrame:
    """Hold-out questions, reference answers and the fine-tuned model's answers as a table."""
    return tables.answers(tuned_on_hold_out_set, hold_out_set)


# ---- Judgement -----------------------------------------------------------------------------------------------------


def evaluation_settings(split_settings: dict, evaluation: dict | None = None) -> dict:
    """How answers are scored: ROUGE with or without stemming, the resamples of the intervals."""
    return {"task": split_settings["task"], "evaluation": settings.given("evaluation", evaluation)}


def validation_rouge(
    untuned_on_validation_set: dict,
    tuned_on_validation_set: dict,
    validation_set: dict,
    train_set: dict,
    evaluation_settings: dict,
    environment: dict,
) -> dict:
    """ROUGE with intervals on the validation set: references, copied and nearest question, untuned, fine-tuned."""
    systems = {"base model": ("base", untuned_on_validation_set), "fine-tuned": ("finetuned", tuned_on_validation_set)}
    return steps.rouge(evaluation_settings, validation_set, train_set, systems)


def hold_out_rouge(
    untuned_on_hold_out_set: dict,
    tuned_on_hold_out_set: dict,
    hold_out_set: dict,
    train_set: dict,
    evaluation_settings: dict,
    environment: dict,
) -> dict:
    """The same rows on the hold-out set, which nothing was chosen on."""
    systems = {"base model": ("base", untuned_on_hold_out_set), "fine-tuned": ("finetuned", tuned_on_hold_out_set)}
    return steps.rouge(evaluation_settings, hold_out_set, train_set, systems)


def losses(
    save_best_models: dict,
    tokenized_train: dict,
    tokenized_validation: dict,
    tokenized_hold_out: dict,
    model_and_prompt: dict,
    environment: dict,
) -> dict:
    """The loss of the fine-tuned model on the reference answers of each set, in nats per token."""
    found = {"training": tokenized_train, "validation": tokenized_validation, "hold-out": tokenized_hold_out}
    return steps.losses(model_and_prompt, save_best_models, found)


def training_and_validation_set_metrics(validation_rouge: dict, losses: dict) -> pd.DataFrame:
    """Losses on the training and validation sets, and the ROUGE table of the validation set."""
    return tables.metrics({"training": {}, "validation": validation_rouge}, losses)


def hold_out_set_metrics(hold_out_rouge: dict, losses: dict) -> pd.DataFrame:
    """Loss and ROUGE table of the hold-out set."""
    return tables.metrics({"hold-out": hold_out_rouge}, losses)


@config.when(start="base")
def report__base(
    hold_out_rouge: dict,
    losses: dict,
    lengths: dict,
    hold_out_set: dict,
    train_set: dict,
    evaluation_settings: dict,
    model_and_prompt: dict,
    best_checkpoint: dict,
    fitted: dict,
    environment: dict,
) -> dict:
    """A page with the tables, the curve of loss and ROUGE, and every hold-out question with its answers."""
    best = {"best checkpoint": best_checkpoint}
    about = {"model": model_and_prompt["name"], "losses": losses, "lengths": lengths, **best}
    curve = steps.curve_of(fitted)
    return report_page.write(evaluation_settings, hold_out_set, train_set, hold_out_rouge["answers"], about, curve)


@config.when(start="presaved")
def report__presaved(
    hold_out_rouge: dict,
    losses: dict,
    lengths: dict,
    hold_out_set: dict,
    train_set: dict,
    evaluation_settings: dict,
    model_and_prompt: dict,
    environment: dict,
) -> dict:
    """The same page for a model that was saved before, without a curve."""
    about = {"model": model_and_prompt["name"], "losses": losses, "lengths": lengths}
    return report_page.write(evaluation_settings, hold_out_set, train_set, hold_out_rouge["answers"], about, [])
