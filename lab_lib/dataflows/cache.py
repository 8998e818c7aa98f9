"""The cache of a dataflow: the inputs and result of each node, and the changes since then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hamilton import driver, graph_types
from hamilton.caching.adapter import HamiltonCacheAdapter
from hamilton.caching.cache_key import create_cache_key, decode_key
from hamilton.caching.fingerprinting import hash_value
from hamilton.caching.stores.base import ResultRetrievalError
from hamilton.caching.stores.sqlite import SQLiteMetadataStore

from lab_lib.dataflows.artefacts import is_artefact, is_whole
from lab_lib.dataflows.json_store import JsonStore
from lab_lib.dataflows.place import here

SOURCE = "recompute"  # nodes with this behaviour are looked at in every run


@dataclass(frozen=True)
class Plan:
    """The plan for a node: `run` it, with the reason, or take it from the cache.

    `key` is the cache's key, where all inputs of the node are known.
    """

    node: str
    run: bool
    because: str = ""
    key: str | None = None


def build(module: ModuleType, start: str, hooks: Sequence[Any] = ()) -> driver.Driver:
    """Return a driver of the dataflow that keeps results as JSON in this place."""
    metadata, results = SQLiteMetadataStore(path=str(here().cache)), JsonStore(here().cache / "results")
    found = driver.Builder().with_modules(module).with_config({"start": start})
    return found.with_cache(metadata_store=metadata, result_store=results).with_adapters(*hooks).build()


def sources(module: ModuleType, start: str, outputs: Sequence[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of the nodes that are looked at in every run, as far as some outputs need them."""
    plain = driver.Builder().with_modules(module).with_config({"start": start}).build()
    needed = {node.name for node in plain.what_is_upstream_of(*outputs)}
    wanted = [
        node.name
        for node in plain.list_available_variables()
        if node.name in needed and node.tags.get("cache.behavior") == SOURCE
    ]
    return dict(plain.execute(wanted, inputs=used(plain, wanted, inputs)))


def used(dr: driver.Driver, outputs: Sequence[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return those inputs that some outputs depend on."""
    upstream = {node.name for node in dr.what_is_upstream_of(*outputs)}
    return {name: value for name, value in inputs.items() if name in upstream}


def plan(dr: driver.Driver, outputs: Sequence[str], inputs: Mapping[str, Any], found: Mapping[str, Any]) -> list[Plan]:
    """Return what a run would do with each node that some outputs need, in the order of execution.

    `found` are the results of the sources. A node whose inputs come from nodes that run first runs unless their results
    turn out the same.
    """
    cache: HamiltonCacheAdapter = dr.cache
    versions = {name: hash_value(value) for name, value in {**inputs, **found}.items()}
    plans: list[Plan] = []
    for node in in_order(dr, outputs, found):
        waits = [
            name for name in node.input_types if name not in versions and name not in node.default_parameter_values
        ]
        if waits:
            plans.append(Plan(node.name, True, f"input {waits[0]} runs first"))
            continue
        read = {
            name: versions.get(name, hash_value(node.default_parameter_values.get(name))) for name in node.input_types
        }
        code = graph_types.HamiltonNode.from_node(node).version
        key = create_cache_key(node.name, str(code), read)
        version = cache.metadata_store.get(key)
        if reason := missing(cache, node.name, key, version):
            plans.append(Plan(node.name, True, reason, key))
        else:
            versions[node.name] = str(version)
            plans.append(Plan(node.name, False, key=key))
    return plans


def in_order(dr: driver.Driver, outputs: Sequence[str], found: Mapping[str, Any]) -> list[Any]:
    """Return the nodes that some outputs need, each after those that it reads; sources and inputs are left out."""
    ordered: dict[str, Any] = {}

    def visit(node: Any) -> None:
        if node.name in ordered or node.name in found or node.user_defined:
            return
        for dependency in node.dependencies:
            visit(dependency)
        ordered[node.name] = node

    for name in outputs:
        visit(dr.graph.nodes[name])
    return list(ordered.values())


def missing(cache: HamiltonCacheAdapter, node: str, key: str, version: str | None) -> str:
    """Return why a node must run: changes since its last run, or missing results; "" if there is no reason."""
    if version is None:
        return changed(cache, node, key)
    if not cache.result_store.exists(version):
        return "its result is gone"
    try:
        result = cache.result_store.get(version)
    except ResultRetrievalError:
        return "its result is damaged"
    lost = [value["path"] for value in artefacts_in(result) if not is_whole(value)]
    return f"its artefact {lost[0]} is gone or changed" if lost else ""


def artefacts_in(value: Any) -> list[Mapping[str, Any]]:
    """Return the artefacts that a result names."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    inside = [found for part in parts for found in artefacts_in(part)]
    return [value, *inside] if is_artefact(value) else inside


def changed(cache: HamiltonCacheAdapter, node: str, key: str) -> str:
    """Say in what a key differs from the nearest one that the cache has for the node."""
    store = cache.metadata_store
    rows = store.connection.execute("SELECT cache_key FROM cache_metadata WHERE node_name = ?", (node,)).fetchall()
    if not rows:
        return "it never ran here"
    now = decode_key(key)

    def differences(other: str) -> list[str]:
        old = decode_key(other)
        code = ["code"] if old["code_version"] != now["code_version"] else []
        before, after = old["dependencies_data_versions"], now["dependencies_data_versions"]
        names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        return [*code, *(f"input {name}" for name in names)]

    nearest = min((differences(row[0]) for row in reversed(rows)), key=len)
    return f"{' and '.join(nearest)} changed"


def forget(dr: driver.Driver, plans: Sequence[Plan]) -> None:
    """Remove from the cache what can no longer be used: results that are gone or damaged, or whose artefacts are."""
    cache: HamiltonCacheAdapter = dr.cache
    for one in plans:
        version = cache.metadata_store.get(one.key) if one.run and one.key else None
        if version is None or one.key is None:
            continue
        cache.metadata_store.delete(one.key)
        try:
            cache.result_store.get(version)
        except ResultRetrievalError:
            cache.result_store.delete(version)
