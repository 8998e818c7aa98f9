"""`lab understand`: exemplars of functions, how many a prompt needs, and an embedder that finds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lab_lib.cli.console import console, print_line, safe_console
from lab_lib.cli.understand_ask import add, ask
from lab_lib.cli.understand_states import states

app = typer.Typer(no_args_is_help=True)
for verb in (ask, add, states):
    app.command()(verb)
Corpus = Annotated[
    str, typer.Argument(help="desk, skills, town, multiwoz22, sgd, or a folder of exemplars or in the layout of SGD.")
]
Settings = Annotated[list[str] | None, typer.Argument(help="key=value, for example retrieval.exemplars=tfidf")]


@app.command()
def convert(
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="The new folder to write.")],
    per_function: Annotated[int | None, typer.Option(min=1, help="Exemplars of a function; all unless given.")] = None,
    nones: Annotated[int | None, typer.Option(min=0, help="Utterances without a function; all unless given.")] = None,
    seed: Annotated[int, typer.Option(help="Which ones are drawn.")] = 0,
) -> None:
    """Write a corpus as exemplars and functions, and say what was left out and why."""
    from lab_lib.exemplars.corpus import load_exemplars
    from lab_lib.understand.convert import write_corpus

    loaded = load_exemplars(corpus)
    for line in loaded.report():
        print_line(line)
    print(write_corpus(loaded, out, per_function, nones, seed))


@app.command()
def lint(corpus: Corpus = "desk") -> None:
    """Check exemplars against their functions, and the splits against each other; exit code 1 for a finding."""
    from lab_lib.exemplars.corpus import load_exemplars
    from lab_lib.exemplars.lint import lint as check

    found = check(load_exemplars(corpus).parts)
    out = safe_console(highlight=False)
    for finding in found.findings:
        out.print(str(finding), markup=False, soft_wrap=True)
    for note in found.notes:
        print_line(note)
    console.print(f"{len(found.findings)} findings")
    raise typer.Exit(1 if found.findings else 0)


@app.command()
def index(
    out: Annotated[Path, typer.Option(help="The new folder to write.")],
    settings: Settings = None,
) -> None:
    """Index the functions and exemplars of a corpus: a folder with hashes of data, model, prompts and code."""
    from lab_lib.exemplars.corpus import load_exemplars
    from lab_lib.retrieval.index import save_index
    from lab_lib.understand.module import ModuleConfig, make_module

    config = _read(ModuleConfig, settings)
    made = make_module(load_exemplars(config.corpus), config)
    counts = f"{len(made.retriever.exemplars)} exemplars, {len(made.retriever.documents)} descriptions"
    print_line(f"index: {counts}, {len(made.functions)} functions, {len(made.recognisers.by_name)} recognisers")
    print(save_index(out, made.retriever, made.functions, made.recognisers))


@app.command("find-k")
def find_k(
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Where to write the points as JSON, PNG and SVG.")] = Path("find-k.json"),
) -> None:
    """Try how many descriptions and exemplars a prompt needs; print the cheapest that reach the wanted recall."""
    from lab_lib.cli.arguments import require_out
    from lab_lib.cli.measured import write_measured
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer
    from lab_lib.understand.data import load_asked
    from lab_lib.understand.figure import draw_find_k
    from lab_lib.understand.find_k import HEADINGS, FindKConfig, as_json, table_rows
    from lab_lib.understand.find_k import find_k as find

    config = _read(FindKConfig, settings)
    require_out(out, "a JSON file of points")
    tokenizer, _ = load_tokenizer(find_source(config.tokenizer))
    corpus, asked = load_asked(config)
    for line in asked.notes:
        print_line(line)
    found = find(corpus, asked, config, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))
    for name, curve in found.curves.items():
        print_line(f"{name}: " + ", ".join(f"@{k} {value:.3f}" for k, value in curve.items()))
    _print_table(HEADINGS, table_rows(found))
    draw_find_k(found, out.with_suffix(".png"), out.with_suffix(".svg"))
    print(write_measured(out, as_json(found)))
    if found.chosen is None:
        print_line(found.reason)
        raise typer.Exit(1)
    chosen = found.chosen
    print_line(f"write into the recipe: task.descriptions={chosen.descriptions} task.exemplars={chosen.exemplars}")


@app.command()
def rows(
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the rows, with the command and the machine, as JSON.")
    ] = None,
) -> None:
    """Measure what chooses a function without a generator: nearest exemplars, a logistic head, the best description."""
    from dataclasses import asdict

    from lab_lib.cli.arguments import require_out
    from lab_lib.cli.measured import write_measured
    from lab_lib.config import as_dict
    from lab_lib.understand.data import IndexConfig, load_asked
    from lab_lib.understand.rows import lines
    from lab_lib.understand.rows import rows as measure

    config = _read(IndexConfig, settings)
    if out is not None:
        require_out(out, "a JSON file of rows")
    corpus, asked = load_asked(config)
    for line in asked.notes:
        print_line(line)
    found = measure(corpus, asked, config)
    for line in lines(found):
        print(line)
    if out is not None:
        print(write_measured(out, {"config": as_dict(config), "notes": list(asked.notes), "shares": asdict(found)}))


@app.command()
def variants(
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Where to write the recalls as JSON.")] = Path("sgd-x.json"),
) -> None:
    """Measure how well descriptions are found in the five other wordings of SGD's schemas (SGD-X)."""
    from dataclasses import asdict

    from lab_lib.cli.arguments import require_out
    from lab_lib.cli.measured import write_measured
    from lab_lib.config import as_dict
    from lab_lib.understand.data import IndexConfig
    from lab_lib.understand.variants import HEADINGS, load_variants, table_rows, variant_recall

    config = _read(IndexConfig, ["corpus=sgd", *(settings or [])])
    require_out(out, "a JSON file of recalls")
    documents, queries = load_variants(config)
    found = variant_recall(documents, queries, config.retrieval)
    print_line(f"{found.queries} utterances of {config.queries}, recall of the right function in per cent")
    _print_table(HEADINGS, table_rows(found))
    print(write_measured(out, asdict(found) | {"config": as_dict(config)}))


@app.command("train-embedder")
def train_embedder(
    out: Annotated[Path, typer.Option(help="The folder to write; the same command resumes what was interrupted.")],
    settings: Settings = None,
    record: Annotated[
        Path | None, typer.Option(help="Also write the figures, with the command and the machine, as JSON.")
    ] = None,
) -> None:
    """Tune an embedding model on the exemplars of a corpus; it stops when the recall on dev rises no more."""
    from lab_lib.cli.arguments import require_out
    from lab_lib.cli.measured import write_measured
    from lab_lib.config import as_dict
    from lab_lib.exemplars.corpus import load_exemplars
    from lab_lib.files import read_json_object
    from lab_lib.understand.embedder import TuneConfig, tune

    config = _read(TuneConfig, settings)
    if record is not None:
        require_out(record, "a JSON file of figures")
    print(tune(load_exemplars(config.corpus), config, out, print_line))
    if record is not None:
        figures = read_json_object(out / "training.json")
        print(write_measured(record, {"config": as_dict(config), **figures}))


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of numbers."""
    from rich.table import Table

    table = Table(*headings)
    for column in table.columns:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _read(cls: type[Any], settings: list[str] | None) -> Any:
    """Return a config with settings of the command line."""
    from lab_lib.config import build, override

    return build(cls, override({}, settings or []), "settings")
