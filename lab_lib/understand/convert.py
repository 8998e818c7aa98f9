"""`lab understand convert`: write a corpus as files of exemplars and functions that people can read and edit."""

from __future__ import annotations

from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus
from lab_lib.exemplars.files import EXEMPLARS, FUNCTIONS, write_exemplars, write_functions
from lab_lib.exemplars.recognisers import RECOGNISERS, write_recognisers
from lab_lib.exemplars.select import at_most


def write_corpus(corpus: ExemplarCorpus, out: Path, per_function: int | None, nones: int | None, seed: int) -> Path:
    """Write every split with its functions into a new folder.

    Samples at most `per_function` exemplars per function and `nones` utterances without a function, with the seed; None
    keeps all. Raises LabError for a folder that is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise LabError(f"{out}: not empty; a corpus is written into a new folder")
    for split, part in corpus.parts.items():
        kept = list(part.exemplars) if per_function is None else at_most(part.exemplars, per_function, seed)
        without = list(part.nones) if nones is None else at_most(part.nones, nones, seed)
        write_exemplars(out / split / EXEMPLARS, [*kept, *without])
        write_functions(out / split / FUNCTIONS, part.functions)
    if corpus.recognisers.by_name:
        write_recognisers(out / RECOGNISERS, corpus.recognisers)
    return out
