"""Names to folders: bundled, local, and by hub name against a loopback server that speaks the hub's protocol."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import HubRepo, HubServer, commit_of
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.models import hub
from lab_lib.models.hub import Source, check_folder, check_safetensors, find_source

FIND = """
import json, sys
from lab_lib.errors import LabError
from lab_lib.models.hub import find_source
def find(words):
    try:
        source = find_source(*words)
    except LabError as error:
        return str(error)
    return [source.name, str(source.folder), source.revision]
print(json.dumps([find(words.split("@")) for words in sys.argv[1:]]))
"""
LOAD = """
import json, sys
from lab_lib.models.adapter import adapted_modules
from lab_lib.models.model import load_model
from lab_lib.models.config import ModelConfig
loaded = load_model(ModelConfig(sys.argv[1], quantisation="none", adapter=sys.argv[2]))
loaded.model.save_pretrained(sys.argv[3])
print(json.dumps([loaded.base_name, loaded.revision, len(adapted_modules(loaded.model))]))
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("hub") / "tiny")


def client(script: str, *arguments: str, cache: Path, endpoint: str, offline: bool = False):
    """Run a script in a new process that sees one hub and one cache, and return the JSON of its last line.

    FIND takes names of models, each with its revision after an @, and returns what was found, or why nothing.
    """
    hidden = ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "TRANSFORMERS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"PYTHONPATH": str(Path(__file__).parent.parent)} | ({"HF_HUB_OFFLINE": "1"} if offline else {})
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().split("\n")[-1])


def test_download_cache_and_offline_reuse(tiny, tmp_path):
    (tiny / "pytorch_model.bin").write_bytes(b"a pickle")
    with HubServer({"lab/tiny": HubRepo({"main": tiny})}) as server:
        (first,) = client(FIND, "lab/tiny", cache=tmp_path, endpoint=server.url)
        asked = list(server.requests)
        (again,) = client(FIND, "lab/tiny", cache=tmp_path, endpoint=server.url)
        fetched_again = [path for path in server.requests[len(asked) :] if path.startswith("GET") and "resolve" in path]
        before = len(server.requests)
        (offline,) = client(FIND, "lab/tiny", cache=tmp_path, endpoint=server.url, offline=True)
        assert len(server.requests) == before
    (tiny / "pytorch_model.bin").unlink()
    assert first[0] == "lab/tiny" and first[2] == commit_of(tiny)
    assert first == again == offline
    assert fetched_again == []
    got = {path.name for path in Path(first[1]).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= got
    assert "pytorch_model.bin" not in got
    assert not any("pytorch_model.bin" in path for path in asked)
    assert (Path(first[1]) / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()


def test_a_revision_is_what_was_asked_for(tiny, tmp_path):
    old = tiny_llama(tmp_path / "old", seed=5)
    with HubServer({"lab/tiny": HubRepo({"main": tiny, "v1": old})}) as server:
        asked = ("lab/tiny@v1", f"lab/tiny@{commit_of(old)}", "lab/tiny", "lab/tiny@v9")
        found = client(FIND, *asked, cache=tmp_path / "cache", endpoint=server.url)
        tagged, pinned, newest, missing = found
    assert tagged[2] == pinned[2] == commit_of(old)
    assert newest[2] == commit_of(tiny)
    assert missing == "lab/tiny: the repository has no revision 'v9'"


def test_not_there_and_gated(tiny, tmp_path):
    repos = {"lab/gated": HubRepo({"main": tiny}, gated=True), "lab/broken": HubRepo({"main": tiny}, broken=True)}
    with HubServer(repos) as server:
        asked = ("lab/tny", "lab-tinny", "lab/gated", "lab/broken")
        absent, typo, gated, broken = client(FIND, *asked, cache=tmp_path, endpoint=server.url)
    assert absent == "lab/tny: no such folder here and no such public repository on the hub"
    assert typo.endswith("; did you mean 'lab-tiny'?")
    assert broken == f"lab/broken: the hub ({server.url}) answered with status 418, and it is not in the cache"
    assert gated.startswith("lab/gated: a gated repository") and "licence" in gated and "hf auth login" in gated


def test_offline_and_unreachable_without_a_cached_copy(tmp_path):
    with socket.socket() as unused:  # bound, not listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        (offline,) = client(FIND, "lab/tiny", cache=tmp_path, endpoint=endpoint, offline=True)
        (refused,) = client(FIND, "lab/tiny", cache=tmp_path, endpoint=endpoint)
    assert offline == "lab/tiny: the hub is switched off (HF_HUB_OFFLINE=1), and it is not in the cache"
    assert refused == f"lab/tiny: the hub ({endpoint}) cannot be reached, and it is not in the cache"


def test_a_model_and_an_adapter_load_by_hub_name(tiny, tmp_path):
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model
    from lab_lib.training.lora import LoraConfig, attach_lora

    loaded = load_model(ModelConfig(str(tiny), quantisation="none"), for_training=True)
    loaded.model.name_or_path = "lab/tiny"
    attach_lora(loaded.model, LoraConfig(rank=2))[0].save_pretrained(tmp_path / "adapter")
    repos = {"lab/tiny": HubRepo({"main": tiny}), "lab/adapter": HubRepo({"main": tmp_path / "adapter"})}
    with HubServer(repos) as server:
        arguments = ("lab/tiny", "lab/adapter", str(tmp_path / "again"))
        name, revision, layers = client(LOAD, *arguments, cache=tmp_path / "c", endpoint=server.url)
    assert (name, revision, layers) == ("lab/tiny", commit_of(tiny), 14)
    first, second = ((tmp_path / n / "adapter_model.safetensors").read_bytes() for n in ("adapter", "again"))
    assert first == second
    # Downloads name the commit; a request for `main` would be PEFT looking up the base while saving.
    assert not [path for path in server.requests if "/resolve/main/" in path]


def test_folders_that_are_not_there_name_the_nearest(tiny, tmp_path):
    with pytest.raises(LabError, match="no such folder; did you mean 'tiny'"):
        find_source(str(tiny.parent / "tinny"))
    with pytest.raises(LabError, match=r"^\./nothing-here: no such folder$"):
        find_source("./nothing-here")
    with pytest.raises(LabError, match=r"a/b/c: no such folder"):
        find_source("a/b/c")
    with pytest.raises(LabError, match="a file, expected the folder"):
        find_source(str(tiny / "config.json"))
    with pytest.raises(LabError, match=r"model\.name: empty"):
        find_source("")


def test_a_bundled_name_wins_over_the_hub(tiny, monkeypatch):
    monkeypatch.setitem(hub.BUNDLED, "lab-tiny", tiny)
    assert find_source("lab-tiny") == Source("lab-tiny", tiny, None)


def test_a_bundled_model_that_is_missing_is_not_looked_for_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setitem(hub.BUNDLED, "lab-tiny", tmp_path / "gone")
    with pytest.raises(LabError, match="lab-tiny: the bundled model is not in this installation"):
        find_source("lab-tiny")


def test_an_impossible_hub_name_is_a_clear_error():
    with pytest.raises(LabError, match="not a possible hub name"):
        find_source("no spaces allowed")


def without_file(tmp_path: Path, tiny: Path, without: str) -> Source:
    """Return a copy of a model folder that lacks one file."""
    for path in tiny.iterdir():
        if path.name != without:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return Source("broken", tmp_path)


def test_missing_config_and_tokenizer(tiny, tmp_path):
    with pytest.raises(LabError, match=r"no config\.json: not a model folder"):
        check_folder(without_file(tmp_path, tiny, "config.json"))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(LabError, match="it is an adapter: give it as `adapter`"):
        check_folder(Source("broken", tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(LabError, match=r"no tokenizer \(expected one of tokenizer\.json"):
        check_folder(Source("broken", tmp_path))


def test_pickled_weights_are_refused(tiny, tmp_path):
    source = without_file(tmp_path, tiny, "model.safetensors")
    with pytest.raises(LabError, match="only safetensors weights are loaded"):
        check_folder(source)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(LabError, match=r"pickled \*\.bin weights, which can run code"):
        check_folder(source)
    check_folder(source, weights=False)


def test_damaged_weights_are_named(tiny, tmp_path):
    source = without_file(tmp_path, tiny, "")
    whole = (tmp_path / "model.safetensors").read_bytes()
    check_safetensors(tmp_path / "model.safetensors")
    for damage in (b"", whole[:4], whole[: len(whole) // 2], b"\xff" * 64):
        (tmp_path / "model.safetensors").write_bytes(damage)
        with pytest.raises(LabError, match=r"model\.safetensors: damaged or cut short"):
            check_folder(source)


def test_a_missing_shard_is_named(tiny, tmp_path):
    source = without_file(tmp_path, tiny, "model.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LabError, match=r"model-00001-of-00002\.safetensors: no such file"):
        check_folder(source)
