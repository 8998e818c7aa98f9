"""Resolve a model's name to a folder on this machine: bundled, fetched, local, or downloaded from a hub.

All later code works on a folder, whatever the name was, so there is one way to load a model and one way to fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab_lib.errors import LabError, cut, nearest, shown
from lab_lib.files import expanded, read_json
from lab_lib.models.packaged import PACKAGED, packaged_folder

DATA = Path(__file__).parent.parent / "data"
# Adapters on lab-tiny.
ADAPTERS = {"town-adapter": DATA / "town-adapter", "town-end-to-end": DATA / "town-end-to-end-adapter"}
BUNDLED = {name: DATA / name for name in ("lab-tiny", "lab-tiny-t5", "t5-tiny", "llama-1m", "llama-20m")} | ADAPTERS
# Bundled configurations without weights, for model.from_scratch, with the bundled model whose tokenizer they use.
SHAPES = {"t5-tiny": "lab-tiny", "llama-1m": "lab-tiny", "llama-20m": "lab-tiny"}
TOKENS = {**SHAPES, "lab-tiny-t5": "lab-tiny"}  # models that use another one's tokenizer
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
# Weights are fetched as safetensors only: a pickle can run code. Copies of the same weights in sub-folders
# (`original/`), in other frameworks or precisions are left out.
WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
LONGEST = 1000  # characters of a name or path; file systems allow 255 for the name of a folder
UNWANTED = ("*/*", "consolidated*", "*.fp16.safetensors", "*.bf16.safetensors")


@dataclass(frozen=True)
class Source:
    """A model or adapter on disk: `name` is the same on all machines, `revision` is the hub's commit hash, if any.

    `tokens` is the folder of the tokenizer if it is a different one.
    """

    name: str
    folder: Path
    revision: str | None = None
    tokens: Path | None = None

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer."""
        return self.tokens or self.folder


def find_source(name: str, revision: str | None = None, code: bool = False) -> Source:
    """Return the folder of a bundled or fetched model, a path or a hub name (downloading it, or from the cache).

    `code` also fetches *.py files (only for trust_remote_code). Does not look inside: see `check_folder`. Raises
    LabError, one line, if it does not exist or cannot be downloaded.
    """
    if not name:
        raise LabError("model.name: empty, expected a bundled or fetched model, a folder or a hub name")
    if revision is not None and is_local(name):
        raise LabError(f"model.revision={cut(revision)}: has no effect for a bundled model or a folder ({name})")
    if name in BUNDLED:
        if not BUNDLED[name].is_dir():
            raise LabError(f"{name}: the bundled model is not in this installation ({BUNDLED[name]}); install it again")
        return Source(name, BUNDLED[name], tokens=BUNDLED[TOKENS[name]] if name in TOKENS else None)
    if name in PACKAGED:
        return Source(name, packaged_folder(name))
    path = expanded(name)
    if len(name) > LONGEST or not name.isprintable():
        raise LabError(f"model {shown(name)}: neither the path of a folder nor a hub name (owner/name)")
    if os.path.isdir(path):
        return Source(str(path.resolve()), path.resolve())
    if os.path.exists(path):
        raise LabError(f"{name}: a file, expected the folder of a model")
    # A hub name is `name` or `owner/name`; anything else can only be a path.
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise LabError(f"{name}: no such folder{_parent_hint(path)}")
    return _download(name, revision, code)


def is_local(name: str) -> bool:
    """Return whether a name is that of a bundled or fetched model, or of a folder that is there."""
    return name in BUNDLED or name in PACKAGED or os.path.isdir(expanded(name))


def model_files(source: Source, weights: bool, code: bool = False) -> dict[str, Path]:
    """Return {name: path} of the files that loading a model reads: config, tokenizer, templates, `weights`, `code`."""
    kinds = ("*.json", "*.model", "*.txt", "*.jinja", "additional_chat_templates/*.jinja", *(["*.py"] if code else []))
    found = {path.name: path for kind in kinds for path in source.folder.glob(kind)}
    found |= {f"tokenizer/{path.name}": path for kind in kinds if source.tokens for path in source.tokens.glob(kind)}
    found |= {str(path.relative_to(source.folder)): path for path in (weight_files(source) if weights else ())}
    return {name: found[name] for name in sorted(found) if not name.startswith(".")}


def adapter_files(source: Source) -> dict[str, Path]:
    """Return {name: path} of the files of an adapter."""
    return {name: source.folder / name for name in ("adapter_config.json", "adapter_model.safetensors")}


def _parent_hint(path: Path) -> str:
    """Return a hint with the nearest existing folder, or nothing."""
    siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if os.path.isdir(path.parent) else []
    return _close(path.name, siblings)


def _close(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean ...?` when a valid name is close, else nothing."""
    hint = nearest(name, valid)
    return hint if hint.startswith("; did you mean") else ""


def _download(name: str, revision: str | None, code: bool) -> Source:
    """Fetch a repository into the hub's cache and return its snapshot folder, named after the commit."""
    from huggingface_hub import errors, snapshot_download

    wanted = [*WANTED, "*.py"] if code else list(WANTED)
    at = f" at revision {revision}" if revision else ""
    hint = "" if "/" in name else _close(name, [*BUNDLED, *PACKAGED])  # bundled names have no owner
    try:
        folder = snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=list(UNWANTED))
    except errors.GatedRepoError:
        raise LabError(
            f"{name}: a gated repository: accept its licence on its hub page, then log in with `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise LabError(f"{name}: no such folder here and no such public repository on the hub{hint}") from None
    except errors.RevisionNotFoundError:
        raise LabError(f"{name}: the repository has no revision {revision!r}") from None
    except errors.HFValidationError:
        raise LabError(f"{name}: no such folder, and not a possible hub name (owner/name){hint}") from None
    except errors.LocalEntryNotFoundError as error:
        raise LabError(f"{name}{at}: {_why_not_reached(error)}, and it is not in the cache{hint}") from None
    except errors.HfHubHTTPError as error:
        raise LabError(f"{name}{at}: the hub answered with status {error.response.status_code}") from None
    except OSError as error:
        raise LabError(f"{name}{at}: cannot download: {error.strerror or error}") from None
    return Source(name, Path(folder), Path(folder).name)


def _why_not_reached(error: Exception) -> str:
    """Return why only the cache was searched: the hub is switched off, refused the request, or did not answer."""
    from huggingface_hub import constants, errors

    if isinstance(error.__cause__, errors.HfHubHTTPError):
        return f"the hub ({constants.ENDPOINT}) answered with status {error.__cause__.response.status_code}"
    if constants.HF_HUB_OFFLINE:
        return "the hub is switched off (HF_HUB_OFFLINE=1)"
    return f"the hub ({constants.ENDPOINT}) cannot be reached"


def check_folder(source: Source, weights: bool = True) -> None:
    """Raise LabError, naming the file, unless the folder holds a config, a tokenizer and whole safetensors weights."""
    if not (source.folder / "config.json").is_file():
        adapter = (source.folder / "adapter_config.json").is_file()
        found = "it is an adapter: give it as `adapter`, with its base as `name`" if adapter else "not a model folder"
        raise LabError(f"{source.name}: no config.json: {found}")
    read_json(source.folder / "config.json")
    if not any((source.tokenizer / name).is_file() for name in TOKENIZER_FILES):
        raise LabError(f"{source.name}: no tokenizer (expected one of {', '.join(TOKENIZER_FILES)})")
    if weights:
        for path in weight_files(source):
            check_safetensors(path)


def weight_files(source: Source) -> list[Path]:
    """Return the files of the weights: model.safetensors, or all the shards its index names."""
    single, index = source.folder / "model.safetensors", source.folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        return [source.folder / shard for shard in _shards(index)]
    if source.name in SHAPES:
        need = "model.from_scratch=true model.quantisation=none lora.method=full"
        raise LabError(f"{source.name}: a shape without weights, to be trained from random ones; set {need}")
    pickled = any(source.folder.glob("*.bin"))
    note = "it has pickled *.bin weights, which can run code and are not loaded; " if pickled else ""
    raise LabError(f"{source.name}: no model.safetensors; {note}only safetensors weights are loaded")


def _shards(index: Path) -> list[str]:
    """Return the names of the shards in an index. Raises LabError for another format and for paths outside the
    folder."""
    content = read_json(index)
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise LabError(f"{index}: expected an object with 'weight_map', the file of each tensor")
    for name in shards.values():
        if not isinstance(name, str) or not name.endswith(".safetensors") or Path(name).name != name:
            raise LabError(f"{index}: expected names of .safetensors files beside it, found {shown(name)}")
    return sorted(set(shards.values()))


def check_safetensors(path: Path) -> list[str]:
    """Return the names of the tensors of a safetensors file, or raise LabError.

    The file must exist, hold at least one tensor and have the length that its header states.
    """
    from safetensors import SafetensorError, safe_open

    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise LabError(f"{path}: expected a file")
    try:
        with safe_open(path, framework="numpy") as tensors:
            names = list(tensors.keys())
    except FileNotFoundError:
        raise LabError(f"{path}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise LabError(f"{path}: damaged or cut short: {error}") from None
    if not names:
        raise LabError(f"{path}: the file holds no weights")
    return names
