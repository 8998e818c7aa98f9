"""The trainer of sentence-transformers with our batches, our judge and early stopping; it resumes from checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.retrieval.config import EmbedderConfig
from lab_lib.retrieval.pairs import Triple, one_function_once

DIRECTIONS = (
    "query_to_doc",
    "query_to_query",
    "doc_to_query",
    "doc_to_doc",
)  # every pair of texts in a batch is told apart
Judged = Callable[[Any], dict[str, float]]  # the figures of a model; `recall` chooses
Log = Callable[[str], None]


def make_trainer(
    checkpoints: Path,
    model: Any,
    rows: Sequence[Triple],
    judge: Judged,
    config: EmbedderConfig,
    log: Callable[[str], None],
) -> Any:
    """Return a trainer; after training its `judged` holds the figures of each evaluation."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import EarlyStoppingCallback
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    functions = [row.functions for row in rows]

    class Trainer(SentenceTransformerTrainer):
        """With batches that have one function once."""

        def get_batch_sampler(self, dataset: Any, *given: Any, **settings: Any) -> Any:
            return _batches(dataset, functions, config)

    columns = {"anchor": [row.anchor for row in rows], "positive": [row.positive for row in rows]}
    if config.hard:
        columns["negative"] = [row.negative for row in rows]
    judged: list[dict[str, float]] = []
    trainer = Trainer(
        model=model,
        args=_arguments(checkpoints, config),
        train_dataset=Dataset.from_dict(columns),
        loss=MultipleNegativesRankingLoss(model, scale=config.scale, directions=DIRECTIONS),
        evaluator=_evaluator(judge, judged, log),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=config.patience)],
    )
    trainer.judged = judged
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def _batches(dataset: Any, functions: Sequence[Sequence[str]], config: EmbedderConfig) -> Any:
    """Return a sampler of batches; another epoch has another order."""
    from sentence_transformers.base.sampler import DefaultBatchSampler

    length = sum(1 for _ in one_function_once(functions, config.batch, config.seed))  # it is asked for again and again

    class Batches(DefaultBatchSampler):
        """One function once a batch."""

        def __iter__(self) -> Iterator[list[int]]:
            yield from one_function_once(functions, config.batch, config.seed + self.epoch)

        def __len__(self) -> int:
            return length

    return Batches(dataset, batch_size=config.batch, drop_last=False, seed=config.seed)


def _evaluator(judge: Judged, judged: list[dict[str, float]], log: Log) -> Any:
    """Return what the trainer asks for figures; they are kept and told."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    class Evaluator(BaseEvaluator):
        """The recall of the model so far."""

        def __call__(self, model: Any, output_path: Any = None, epoch: Any = -1, steps: int = -1) -> dict[str, float]:
            figures = judge(model)
            judged.append({"step": steps, **figures})
            log(figures_line(steps, figures))
            return dict(figures)

    made = Evaluator()
    made.primary_metric = "recall"
    return made


def _arguments(checkpoints: Path, config: EmbedderConfig) -> Any:
    import torch
    from sentence_transformers import SentenceTransformerTrainingArguments

    return SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch,
        learning_rate=config.rate,
        warmup_steps=int(config.warmup * config.steps),
        eval_strategy="steps",
        eval_steps=config.evaluate_every,
        save_strategy="steps",
        save_steps=config.evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_recall",
        greater_is_better=True,
        seed=config.seed,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=not torch.cuda.is_available(),
    )


def figures_line(step: int, figures: Mapping[str, float]) -> str:
    """Return figures as one line of a log.

    >>> figures_line(50, {"recall": 0.98})
    'step 50: recall 0.9800'
    """
    return f"step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
