"""A module: functions, exemplars and recognisers with one index. Several modules can be queried together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.calls.skills.skill import Skills
from lab_lib.config import as_dict
from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus, load_exemplars
from lab_lib.exemplars.recognisers import NO_RECOGNISERS, Recognisers
from lab_lib.exemplars.select import at_most, distinct
from lab_lib.files import expanded
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.index import INDEX, index_likeness, index_recognisers, load_index
from lab_lib.retrieval.retriever import Retriever
from lab_lib.retrieval.scores import usual_likeness
from lab_lib.understand.data import IndexConfig


@dataclass(frozen=True)
class Module:
    """Functions and their retrieval. An utterance whose best similarity is below `usual` asks for none of them."""

    name: str
    functions: Skills = field(repr=False)
    retriever: Retriever = field(repr=False)
    recognisers: Recognisers = field(default=NO_RECOGNISERS, repr=False)
    usual: float = 0.0


@dataclass(frozen=True)
class ModuleConfig(IndexConfig):
    """How a module is made from a corpus: the splits and sizes of its index."""

    nones: int = 40  # exemplars of `none` in the index, drawn with the seed


def open_module(name: str, retrieval: RetrievalConfig | None = None) -> Module:
    """Open a module by name: the folder of an index, or a corpus, which is indexed in memory.

    `retrieval` configures the index of a corpus; a stored index has its own settings. Raises LabError for an unknown
    name, for settings given with a stored index, and for a stale index.
    """
    folder = expanded(name)
    if not (folder / INDEX).exists():
        return make_module(load_exemplars(name), ModuleConfig(corpus=name, retrieval=retrieval or RetrievalConfig()))
    if retrieval is not None:
        raise LabError(f"{name}: an index has its own settings; omit --set, or name a corpus")
    retriever, functions = load_index(folder)
    return Module(str(folder), functions, retriever, index_recognisers(folder), index_likeness(folder))


def make_module(corpus: ExemplarCorpus, config: ModuleConfig) -> Module:
    """Return the module of a corpus: exemplars of its index split, and descriptions and functions of all splits."""
    part = corpus.part(config.index)
    others = [one for split, one in corpus.parts.items() if split != config.index]
    kept = at_most(distinct(part.exemplars)[0], config.per_function, config.seed)
    nones = at_most(distinct(part.nones)[0], config.nones, config.seed) if config.nones else []
    documents = tuple(dict.fromkeys((*part.documents, *(text for one in others for text in one.documents))))
    retriever = Retriever(documents, distinct([*kept, *nones])[0], config.retrieval)
    functions = {**{n: s for one in others for n, s in one.functions.items()}, **part.functions}
    return Module(
        corpus.name, Skills(list(functions.values())), retriever, corpus.recognisers, usual_likeness(retriever)
    )


def require_apart(modules: Sequence[Module]) -> None:
    """Raise LabError for modules that cannot be queried together: they share a function or rank differently."""
    owners: dict[str, Module] = {}
    for module in modules:
        for name in module.functions:
            if (other := owners.setdefault(name, module)) is not module:
                raise LabError(f"'{name}' is a function of {other.name} and of {module.name}; use one of the two")
    kinds = {str(as_dict(module.retriever.config)) for module in modules}
    if len(kinds) > 1:
        names = ", ".join(module.name for module in modules)
        raise LabError(f"{names}: indexed in different ways, so their scores cannot be compared; use the same settings")


def stamp(name: str) -> tuple[int, int] | None:
    """Return a value that changes when an index changes: time and inode of its manifest. None: no index."""
    path = Path(expanded(name)) / INDEX
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
