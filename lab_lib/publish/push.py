"""Publish a run's adapter (or model) on the hub, with its card; nothing is sent without --yes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, one_line
from lab_lib.files import read_json
from lab_lib.publish.card import model_card
from lab_lib.runs.folder import RunFolder

CARD = "README.md"


def check_name(name: str) -> None:
    """Raise LabError unless this is the name of a repository."""
    if not re.fullmatch(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", name):
        raise LabError(f"'{name}': expected the name of a repository, owner/name")


def plan_push(run: Path, name: str) -> tuple[str, list[Path]]:
    """Return (the card, the files) that would be published. Raises LabError for a run without scores or adapter."""
    check_name(name)
    folder = RunFolder(run)
    if not (run / "record.json").is_file() or not folder.adapter.is_dir():
        raise LabError(f"{run}: the run is not finished (record.json and adapter/ are needed); run it to its end first")
    record = read_json(run / "record.json")
    files = [path for path in sorted(folder.adapter.iterdir()) if path.is_file() and path.name != CARD]
    return model_card(record, name), files


def push(run: Path, name: str, private: bool = True) -> str:
    """Create the repository, if need be, upload all files as one commit, and return its address.

    Raises LabError, one line, for a missing login, a refused name, and a hub that cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    card, files = plan_push(run, name)
    operations = [CommitOperationAdd(CARD, card.encode())]
    operations += [CommitOperationAdd(path.name, str(path)) for path in files]
    api = HfApi()
    return str(_asking(name, lambda: _send(api, name, operations, private)))


def _send(api: Any, name: str, operations: list[Any], private: bool) -> str:
    address = api.create_repo(name, private=private, exist_ok=True)
    api.create_commit(name, operations, commit_message="Model and card")
    return str(address)


def _asking(name: str, ask: Any) -> Any:
    """Return what the hub gives; its errors as one line."""
    from huggingface_hub import errors

    try:
        return ask()
    except errors.LocalTokenNotFoundError:
        raise LabError(f"{name}: not logged in to the hub; run `hf auth login`") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        hint = "; is the login right, and is the owner yours?" if status in (401, 403) else ""
        raise LabError(f"{name}: the hub answered with status {status}{hint}") from None
    except Exception as error:  # of the connection: the library passes on what its client raises
        raise LabError(f"{name}: the hub cannot be reached: {one_line(str(error))[:200]}") from error
