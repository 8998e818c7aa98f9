"""Export a run as a GGUF file with a Modelfile beside it, checked by reading it back."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import write_text
from lab_lib.models.merge import PROBE, SAME, merge_adapter
from lab_lib.prompts.templates import ready_tokenizer
from lab_lib.publish.gguf_write import Stored, write_gguf
from lab_lib.publish.modelfile import modelfile
from lab_lib.runs.config import RunConfig, load_run_config, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.steps import model_config

FILE, MODELFILE = "model.gguf", "Modelfile"


@dataclass(frozen=True)
class Exported:
    """The folder with both files, and the largest difference of a logit between the GGUF file and the model."""

    folder: Path
    max_difference: float


def export_gguf(run: Path, out: Path, stored: Stored = "f32") -> Exported:
    """Write `model.gguf` and `Modelfile` of a run's fine-tuned model into the new folder `out`, and what its task adds.

    The adapter is merged first. The file is read back by transformers: its token ids must be those of our tokenizer,
    its logits equal where nothing was rounded. Raises LabError, leaving nothing at `out`, when they are not, when `out`
    is there, and as `write_gguf` does.
    """
    if out.exists():
        raise LabError(f"{out}: exists already; choose a folder that does not")
    config, temporary = load_run_config(run), out.with_name(f"{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        model = whole_model(config, run, temporary / "merged")
        write_gguf(model, temporary / FILE, stored)
        tokenizer, difference = read_back(temporary / FILE, model, exact=stored == "f32")
        ready_tokenizer(tokenizer, config.prompt)
        write_text(temporary / MODELFILE, modelfile(FILE, tokenizer, config.prompt.template))
        for name, text in make_task(config).beside_model().items():
            write_text(temporary / name, text)
        shutil.rmtree(temporary / "merged", ignore_errors=True)
        temporary.replace(out)
    except OSError as error:
        raise LabError(f"{out}: cannot write: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Exported(out, difference)


def whole_model(config: RunConfig, run: Path, merged: Path) -> Path:
    """Return the folder of a run's fine-tuned model, its adapter merged into `merged` where it has one."""
    folder = RunFolder(run)
    if config.lora.method == "full":
        return Path(model_config(config, folder, "finetuned").name)
    return merge_adapter(config.model, str(folder.adapter), merged).folder


def read_back(path: Path, folder: Path, exact: bool) -> tuple[Any, float]:
    """Return (our tokenizer, largest difference of a logit), comparing a GGUF file with the model it was made of."""
    from lab_lib.models.checks import logits
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model

    ours = load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32"))
    theirs, tokenizer = _read(path)
    ids = ours.tokenizer(PROBE)["input_ids"]
    _require_same_ids(ids, tokenizer(PROBE)["input_ids"], path)
    wanted = logits(ours.model, ids)
    difference = (logits(theirs, ids) - wanted).abs().max().item()
    if exact and not difference <= SAME * wanted.abs().max().item():
        raise LabError(f"{path}: read back, a logit differs by {difference:.3g}; the file is not the model")
    return ours.tokenizer, difference


def _read(path: Path) -> tuple[Any, Any]:
    """Return (model in fp32, tokenizer) of a GGUF file, as transformers reads it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    names = {"gguf_file": path.name}
    with redirect_stderr(io.StringIO()):  # transformers cannot be told not to show this progress bar
        model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **names)
    return model.eval(), AutoTokenizer.from_pretrained(path.parent, **names)


def _require_same_ids(ours: Sequence[int], theirs: Sequence[int], path: Path) -> None:
    if list(ours) != list(theirs):
        raise LabError(f"{path}: read back, a text has different token ids; the tokenizer cannot be written to GGUF")
