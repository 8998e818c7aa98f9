"""A run for others: the GGUF file read back, the Modelfile's prompts, the card, and what is sent to a hub."""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading

import pytest
from chat_templates import SHAPES, chat_tokenizer
from tiny_models import tiny_gpt2, tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_json
from lab_lib.models.gguf_read import interleaved_to_halves
from lab_lib.models.hub import BUNDLED
from lab_lib.prompts.chat_template import chat_template
from lab_lib.publish.card import model_card
from lab_lib.publish.export import read_back
from lab_lib.publish.gguf_write import halves_to_interleaved, pre_tokenizer, write_gguf
from lab_lib.publish.modelfile import modelfile
from lab_lib.publish.push import plan_push


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two steps on the town's first dialogues."""
    from command_line import lab

    out = tmp_path_factory.mktemp("runs") / "one"
    quick = ["training.steps=2", "training.evaluate_every=0", "data.max_train=4", "data.max_test=1"]
    quick += ["training.batch_size=2", "training.micro_batch_size=2", "model.dtype=fp32", "evaluation.resamples=10"]
    assert lab("run", "town-qlora-cpu", *quick, "decoding.max_new_tokens=4", "--no-base", "--out", out) == 0
    return out


# GGUF


@pytest.mark.parametrize("changes", [{}, {"num_key_value_heads": 2, "tie_word_embeddings": True}])
@pytest.mark.parametrize("stored", ["f32", "bf16"])
def test_a_gguf_file_read_back_is_the_model(stored, changes, tmp_path, capsys):
    base = tiny_llama(tmp_path / "base", **changes)
    path = write_gguf(base, tmp_path / "m.gguf", stored)
    _, difference = read_back(path, base, exact=stored == "f32")
    assert difference == 0.0 if stored == "f32" else 0 < difference < 0.5
    assert "GGUF tensors" not in capsys.readouterr().err  # the progress bar of transformers


def test_rows_of_q_and_k_go_there_and_back():
    import torch

    rows = torch.arange(48.0).reshape(24, 2)
    assert torch.equal(interleaved_to_halves(halves_to_interleaved(rows, 3), 3), rows)
    assert not torch.equal(halves_to_interleaved(rows, 3), rows)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"pre_tokenizer": {"type": "Metaspace"}}, None),
        ({"pre_tokenizer": None}, None),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}}, None),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}}, "gpt-2"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
          "normalizer": {"type": "NFC"}}, None),
    ],
)  # fmt: skip
def test_a_pre_tokenizer_that_llama_cpp_has_no_name_for_is_refused(settings, name):
    settings = {"model": {"type": "BPE"}, **settings}
    if name:
        assert pre_tokenizer(settings) == name
    else:
        with pytest.raises(LabError, match=r"llama.cpp has no name here for this pre-tokenizer"):
            pre_tokenizer(settings)


def test_another_architecture_is_refused_and_nothing_is_left(run, tmp_path, cli):
    with pytest.raises(LabError, match="GGUF is written for Llama-shaped models, not gpt2"):
        write_gguf(tiny_gpt2(tmp_path / "base"), tmp_path / "m.gguf")
    code, _, err = cli("export", run, tmp_path / "out")
    assert code == 0, err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Modelfile", "model.gguf"]
    assert "logits differ by at most 0" in err and not list(tmp_path.glob("*.tmp"))
    code, _, err = cli("export", run, tmp_path / "out")
    assert code == 2 and "exists already" in err
    code, _, err = cli("export", run, tmp_path / "other", "--stored", "f17")
    assert code == 2 and "did you mean 'f16'" in err and not (tmp_path / "other").exists()


# Modelfile

TAG = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)


def go(template, messages):
    """Write messages as Ollama would, for the few words of Go's templates that ours are made of."""
    head, _, body = template.partition("{{ range .Messages }}")
    before = json.loads(TAG.match(head)[1].removeprefix("$before := "))
    text = ""
    for message in messages:
        chosen = done = False
        for words in TAG.findall(body):
            if words.startswith(("if eq .Role", "else if eq .Role")):
                chosen = not done and json.loads(words.rpartition(" ")[2]) == message["role"]
                done = done or chosen
            elif words == "end":
                break
            elif chosen and words == ".Content":
                text += message["content"]
            elif chosen and words == "$before":
                text += before
            elif chosen and words.startswith("$before = "):
                before = json.loads(words.removeprefix("$before = "))
            elif chosen:
                text += json.loads(words)
    return text


def talk(*roles):
    return [{"role": role, "content": f"{role} says {n}"} for n, role in enumerate(roles)]


@pytest.mark.parametrize("name", ["smollm", "qwen", "llama3", "phi"])
def test_a_modelfile_writes_what_the_chat_template_writes(name):
    tokenizer = chat_tokenizer(SHAPES[name])
    text = modelfile("model.gguf", tokenizer, "chat")
    template = re.search(r'TEMPLATE """(.*)"""', text, re.DOTALL)[1]
    for roles in (["user"], ["system", "user"], ["system", "user", "assistant", "user"], ["user", "assistant", "user"]):
        wanted = chat_template(tokenizer).render(talk(*roles), ask=True).text
        assert go(template, talk(*roles)) == wanted.removeprefix("<s>")
    assert text.startswith("FROM ./model.gguf\n") and "PARAMETER stop" in text


def test_a_modelfile_of_the_plain_template_writes_its_lines():
    text = modelfile("model.gguf", chat_tokenizer(SHAPES["smollm"]), "plain")
    template = re.search(r'TEMPLATE """(.*)"""', text, re.DOTALL)[1]
    written = go(template, talk("user", "assistant", "user"))
    assert written == "user> user says 0\nbot> assistant says 1\nuser> user says 2\nbot>"
    assert 'PARAMETER stop "\\n"' in text


# Card and hub


def test_a_card_has_the_record_s_numbers_and_no_folder_of_this_machine(run):
    record = read_json(run / "record.json")
    card = model_card(record, "me/town")
    tuned = record["rows"]["fine-tuned"]["values"]["bleu"]
    assert f"{tuned:.1f} (" in card and "license: mit" in card and "| gold replies |" in card
    assert str(run) not in card and 'ModelConfig("lab-tiny", adapter="me/town")' in card
    other = json.loads(json.dumps(record))
    other["config"]["model"]["name"] = "owner/base"
    assert "base_model: owner/base" in model_card(other, "me/town") and "PeftModel" in model_card(other, "me/town")
    assert "license: unknown" in model_card(other, "me/town")


@pytest.mark.parametrize("name", ["town", "a/b/c", "me/to wn", "../x"])
def test_a_name_that_is_no_repository_is_refused(name, run):
    with pytest.raises(LabError, match="expected the name of a repository, owner/name"):
        plan_push(run, name)


def test_a_run_that_is_not_finished_is_refused():
    with pytest.raises(LabError, match="the run is not finished"):
        plan_push(BUNDLED["lab-tiny"], "me/x")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as takes one commit of small files."""

    protocol_version = "HTTP/1.1"
    sent: dict[str, bytes]
    url = ""
    refuse = 0

    def do_POST(self):
        raw = self.body()
        if self.refuse:
            return self.answer({"error": "no"}, self.refuse)
        if self.path == "/api/repos/create":
            return self.answer({"url": f"{self.url}/me/town", "id": "1", "name": "me/town"})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = json.loads(raw)["files"]
            kinds = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]
            return self.answer({"files": kinds})
        for line in raw.decode().splitlines():
            row = json.loads(line)
            if row["key"] == "file":
                self.sent[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
        return self.answer({"commitUrl": f"{self.url}/me/town/commit/a", "commitOid": "a" * 40, "success": True})

    def body(self):
        if length := self.headers.get("Content-Length"):
            return self.rfile.read(int(length))
        parts = []
        while size := int(self.rfile.readline(), 16):  # sent in chunks
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self):
        self.answer({"error": "no"}, self.refuse or 404)

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub():
    handler = type("Served", (Hub,), {"sent": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()


def push(run, hub, *options, token="hf_made_up"):
    """Call `lab push` in a process of its own: the hub's address is read when the library is imported."""
    names = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "lab_lib", "push", str(run), "me/town", *options]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **names}, check=False)


def test_without_yes_nothing_is_sent_and_with_it_the_adapter_and_the_card(run, hub):
    shown = push(run, hub)
    assert shown.returncode == 0 and "# town" in shown.stdout and "nothing was sent" in shown.stderr and not hub.sent
    done = push(run, hub, "--yes")
    assert done.returncode == 0, done.stderr
    assert hub.sent["README.md"].decode().startswith("---\nlicense: mit")
    assert hub.sent["adapter_model.safetensors"] == (run / "adapter" / "adapter_model.safetensors").read_bytes()


def test_a_hub_that_refuses_is_one_line_without_the_token(run, hub):
    hub.refuse = 403
    done = push(run, hub, "--yes")
    assert done.returncode == 2 and "the hub answered with status 403" in done.stderr
    assert "hf_made_up" not in done.stderr and "Traceback" not in done.stderr
