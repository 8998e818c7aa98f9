"""Skills from the tools of a request in OpenAI's format; the inverse of `skill.tool`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.schema import Function
from lab_lib.calls.skills.parameters import check_name, make_parameter
from lab_lib.calls.skills.skill import NO_SKILL, Skill, Skills
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError, nearest, shown

FIELDS = ("name", "description", "parameters", "strict")
KEYWORDS = ("type", "properties", "required", "additionalProperties")
# Annotations of JSON Schema: they restrict nothing. Builders of schemas such as pydantic's write them everywhere.
NOTES = ("title", "examples", "$schema", "$id", "$comment", "deprecated")
MOST = 128  # tools of one request, by the rules of OpenAI's interface


def skills_of_tools(tools: Sequence[Any]) -> Skills:
    """Return the skills that tools describe; their functions cannot run here.

    A parameter that is not required and has no default may be left out, and so may one that accepts null. Raises
    LabError naming the tool and its parameter for everything that a skill cannot express: other types, other keywords,
    nested objects, a tool without description, a name that is not valid in a call or is given twice.
    """
    if len(tools) > MOST:
        raise LabError(f"tools: {len(tools)} of them, at most {MOST}")
    found: dict[str, Skill] = {}
    for number, tool in enumerate(tools):
        skill = _skill(tool, f"tools[{number}]")
        if skill.name in found:
            raise LabError(f"tools[{number}]: the name '{skill.name}' occurs twice")
        found[skill.name] = skill
    return Skills([*found.values()])


def given_arguments(call: Call, tools: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments of a call in the form that the tool's caller expects, including all required ones.

    Checked calls omit arguments that equal their default; if the tool requires such a parameter, its value is added.
    """
    function = next(tool["function"] for tool in tools if tool["function"]["name"] == call.name)
    parameters = function.get("parameters") or {}
    schemas, required = parameters.get("properties", {}), parameters.get("required", ())
    found = {str(name): value for name, value in call.arguments.items()}
    return {name: found[name] if name in found else schema.get("default")
            for name, schema in schemas.items() if name in found or name in required}  # fmt: skip


def _skill(tool: Any, where: str) -> Skill:
    if not isinstance(tool, Mapping) or tool.get("type") != "function" or not isinstance(tool.get("function"), Mapping):
        raise LabError(f'{where}: expected {{"type": "function", "function": {{...}}}}, found {shown(tool)}')
    function = tool["function"]
    _known(function, FIELDS, where)
    name, description = function.get("name"), function.get("description")
    if not isinstance(name, str):
        raise LabError(f"{where}: 'name' is {shown(name)}, expected a text")
    if check_name(name, "name", where) == NO_SKILL:
        raise LabError(f"{where}: '{NO_SKILL}' is reserved for requests without a call; choose another name")
    where = f"{where} {shown(name)}"
    if not isinstance(description, str) or not description.strip():
        raise LabError(f"{where}: no description; the model reads what a tool does")
    parameters, required = _parameters(function.get("parameters"), where)
    made = [make_parameter(key, schema, where) for key, schema in parameters.items()]
    needed = tuple(one.name for one in made if one.name in required and "default" not in one.raw)
    return Skill(Function(name, " ".join(description.split()), tuple(made), needed))


def _parameters(found: Any, where: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return ({parameter: its schema as `make_parameter` takes it}, required names) of the schema of all arguments."""
    found = {} if found is None else found
    if not isinstance(found, Mapping):
        raise LabError(f"{where}: 'parameters' is {shown(found)}, expected a JSON schema of an object")
    shared = found.get("$defs", {})
    found = {key: value for key, value in found.items() if key not in (*NOTES, "description", "$defs")}
    _known(found, KEYWORDS, f"{where}, parameters")
    if found and (found.get("type") != "object" or found.get("additionalProperties", False) is not False):
        raise LabError(f"{where}: parameters: expected 'type': 'object' and no additionalProperties")
    properties, required = found.get("properties", {}), found.get("required", [])
    if not isinstance(properties, Mapping) or not all(isinstance(one, Mapping) for one in properties.values()):
        raise LabError(f"{where}: 'properties' is {shown(properties)}, expected a schema for each name")
    if not isinstance(required, list) or not all(isinstance(name, str) and name in properties for name in required):
        raise LabError(f"{where}: 'required' is {shown(required)}, expected names of properties")
    schemas = {}
    for key, schema in properties.items():
        place = f"{where}, parameter {shown(key)}"
        schemas[key] = _whole(_optional(_plain(schema, shared, place), key in required), place)
    return schemas, required


def _plain(schema: Mapping[str, Any], shared: Any, where: str) -> dict[str, Any]:
    """Return a parameter's schema without annotations, references, `const` and `anyOf`, with the same meaning.

    `shared` are the definitions that `$ref` names. Raises LabError for a reference to anything else, and for an `anyOf`
    that is not one type or null.
    """
    plain = _referred(schema, shared, where)
    if "anyOf" in plain:
        options = plain.pop("anyOf")
        others = [one for one in options if one != {"type": "null"}] if isinstance(options, list) else []
        if len(others) != 1 or not isinstance(others[0], Mapping):
            raise LabError(f"{where}: anyOf {shown(options)}: expected one type, and perhaps null")
        inside = _referred(others[0], shared, where)
        null = len(options) > 1 and isinstance(inside.get("type"), str)
        plain = {**inside, **plain, **({"type": [inside["type"], "null"]} if null else {})}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if isinstance(plain.get("items"), Mapping):
        items = _referred(plain["items"], shared, where)
        plain["items"] = {key: value for key, value in items.items() if key != "description"}
    return plain


def _referred(schema: Mapping[str, Any], shared: Any, where: str) -> dict[str, Any]:
    """Return a schema without annotations, its `$ref` replaced by what it names, one step."""
    plain = {key: value for key, value in schema.items() if key not in NOTES}
    if "$ref" not in plain:
        return plain
    name = plain.pop("$ref")
    found = shared.get(str(name).removeprefix("#/$defs/")) if isinstance(shared, Mapping) else None
    if not isinstance(found, Mapping):
        raise LabError(f"{where}: $ref {shown(name)}: expected one of the definitions in $defs")
    return {**{key: value for key, value in found.items() if key not in NOTES}, **plain}


def _optional(schema: Mapping[str, Any], required: bool) -> dict[str, Any]:
    """Return a parameter's schema in which an optional parameter has a default: null, and its type includes null."""
    kinds = schema.get("type")
    plain = dict(schema)
    if isinstance(kinds, list) and len(kinds) == 2 and "null" in kinds:
        plain["type"] = next((kind for kind in kinds if kind != "null"), "null")
        if isinstance(schema.get("enum"), list):
            plain["enum"] = [option for option in schema["enum"] if option is not None]
        return {"default": None, **plain}
    return plain if required else {"default": None, **plain}


def _whole(schema: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a schema whose pattern must match the whole text; JSON Schema patterns match anywhere in a text."""
    pattern, items = schema.get("pattern"), schema.get("items")
    if isinstance(items, Mapping):  # of the elements only: a list of lists is refused, however deep it is
        plain = {key: value for key, value in items.items() if key != "items"}
        return {**schema, "items": {**items, **_whole(plain, f"{where}, elements")}}
    if not isinstance(pattern, str) or inner(pattern) != pattern:
        return {**schema, "pattern": inner(pattern)} if isinstance(pattern, str) else schema
    if not (pattern.startswith("^") and pattern.endswith("$")) or "|" in pattern:
        raise LabError(f"{where}: pattern {shown(pattern)}: expected one of the whole text, written '^(?:...)$'")
    return {**schema, "pattern": pattern[1:-1]}


def _known(found: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for key in found:
        if key not in names:
            raise LabError(f"{where}: key {shown(key)} is not supported{nearest(str(key), names)}")
