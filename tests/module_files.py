"""Modules as others write them: schema.json, exemplars.json and recognizers.json of a ticket office."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FUNCTIONS = [
    {
        "name": "BuyTicket",
        "description": "Buy tickets to a city",
        "parameters": {
            "type": "object",
            "properties": {
                "quantity": {"type": "integer", "description": "How many"},
                "destination": {"type": "string", "description": "Where to"},
                "origin": {"type": "string", "description": "Where from"},
            },
            "required": ["quantity", "destination"],
        },
    },
    {
        "name": "find_train",
        "description": "Look up trains",
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": []},
    },
]
EXEMPLARS = {
    "BuyTicket": [
        {
            "utterance": "I like to get a ticket to New York",
            "template": "I like to get <quantity> ticket to <destination>",
            "target_arguments": {"quantity": 1, "destination": "new york"},
        },
        {"template": "A fare from < origin > to < destination >"},
    ],
    "find_train": [{"template": "Which trains run on <day>?"}, {"template": "Is there a train?"}],
}
CITIES = {
    "recognizers": {
        "city": {
            "name": "city",
            "rec_type": "list",
            "instances": [
                {"label": "New York", "expressions": ["NYC"]},
                {"label": "York", "expressions": []},
            ],
        }
    },
    "slots": {"BuyTicket.origin": "city", "destination": "city"},
}


def write_module(folder: Path, schema: Any = FUNCTIONS, exemplars: Any = EXEMPLARS, recognisers: Any = CITIES) -> Path:
    """Write the three files; a file without a value is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (("schema", schema), ("exemplars", exemplars), ("recognizers", recognisers)):
        if value is not None:
            (folder / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return folder
