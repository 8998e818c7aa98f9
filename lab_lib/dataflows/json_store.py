"""The results of nodes as JSON files: people can read them, and loading one never runs code, as a pickle could."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from hamilton.caching.stores.base import ResultRetrievalError, ResultStore

from lab_lib.errors import LabError
from lab_lib.files import read_json_object, write_text
from lab_lib.folders import require_folder


class JsonStore(ResultStore):
    """One file per result, named by its hash. A result is a JSON value or a table (a pandas data frame)."""

    def __init__(self, path: str | Path) -> None:
        """Make the folder."""
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def __getstate__(self) -> dict[str, str]:
        return {"path": str(self.path)}

    def file(self, data_version: str) -> Path:
        """Return the file of a result."""
        return self.path / f"{data_version}.json"

    def exists(self, data_version: str) -> bool:
        """Return whether there is a result of this hash."""
        return self.file(data_version).exists()

    def set(self, data_version: str, result: Any, **kwargs: Any) -> None:
        """Write a result, whole or not at all. Raises LabError for one that is neither JSON nor a table."""
        require_folder(self.path)
        if isinstance(result, pd.DataFrame):
            table = json.loads(result.to_json(orient="table", double_precision=15))
            text = json.dumps({"table": table}, ensure_ascii=False)
        else:
            try:
                text = json.dumps({"value": result}, ensure_ascii=False, allow_nan=False, indent=1)
            except (TypeError, ValueError) as error:
                raise LabError(f"the result of a node is not JSON: {error}") from None
        write_text(self.file(data_version), text)

    def get(self, data_version: str, **kwargs: Any) -> Any:
        """Return a result; one that cannot be read is made again (ResultRetrievalError)."""
        try:
            found = read_json_object(self.file(data_version))
            if "table" in found:
                text = json.dumps(found["table"])
                return pd.read_json(StringIO(text), orient="table", precise_float=True).rename_axis(None)
            return found["value"]
        except (LabError, KeyError, ValueError) as error:
            raise ResultRetrievalError(str(error)) from error

    def delete(self, data_version: str) -> None:
        """Remove a result."""
        self.file(data_version).unlink(missing_ok=True)

    def delete_all(self) -> None:
        """Remove all results."""
        shutil.rmtree(self.path)
        self.path.mkdir()
