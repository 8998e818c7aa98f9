"""Downloads against a loopback server that truncates, corrupts, refuses, stalls and goes away."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyServer, free_port, start_later
from rich.console import Console
from tiny_corpus import write_tiny_corpus

from lab_lib.corpora import download as download_module
from lab_lib.corpora import fetch as fetch_module
from lab_lib.corpora.download import Patience, download
from lab_lib.corpora.fetch import extract, fetch, read_manifest
from lab_lib.corpora.load import cache_folder, load_corpus
from lab_lib.corpora.web import read_web
from lab_lib.errors import LabError

BODY = bytes(range(256)) * 2000  # 512,000 bytes: several blocks
SUM = hashlib.sha256(BODY).hexdigest()
QUICK = Patience(attempts=3, stall=0.5, pause=0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = FaultyServer({"/file": BODY})
    yield running
    running.close()


def get(server: FaultyServer, folder: Path, checksum: str = SUM) -> Path:
    return download(f"{server.base}/file", folder / "deep" / "file.json", checksum, QUICK)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_good_file_arrives_whole_under_its_name(server: FaultyServer, tmp_path: Path) -> None:
    assert get(server, tmp_path).read_bytes() == BODY
    assert left(tmp_path) == ["file.json"]
    assert server.requests == [("/file", None)]


@pytest.mark.parametrize("fault", ["truncate", "stall"])
def test_a_broken_transfer_goes_on_where_it_broke(server: FaultyServer, tmp_path: Path, fault: str) -> None:
    server.faults["/file"].append(fault)
    assert get(server, tmp_path).read_bytes() == BODY
    assert server.requests == [("/file", None), ("/file", f"bytes={len(BODY) // 2}-")]


def test_progress_resets_the_count_of_tries(server: FaultyServer, tmp_path: Path) -> None:
    # Five truncations with three attempts: each brings half of the rest, so none of them is a failure in a row.
    server.faults["/file"].extend(["truncate"] * 5)
    assert get(server, tmp_path).read_bytes() == BODY


def test_a_part_of_an_earlier_run_is_resumed(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.json.part").write_bytes(BODY[:1000])
    assert get(server, tmp_path).read_bytes() == BODY
    assert server.requests == [("/file", "bytes=1000-")]


def test_a_whole_part_is_only_verified(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.json.part").write_bytes(BODY)
    assert get(server, tmp_path).read_bytes() == BODY  # the server answered 416: nothing behind the end
    assert left(tmp_path) == ["file.json"]


@pytest.mark.parametrize("part", [b"x" * 1000, BODY + b"more"], ids=["wrong", "too long"])
def test_a_part_with_wrong_content_is_thrown_away(server: FaultyServer, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.json.part").write_bytes(part)
    assert get(server, tmp_path).read_bytes() == BODY
    assert server.requests[-1] == ("/file", None)


@pytest.mark.parametrize("fault", ["no range", "wrong range"])
def test_a_server_without_ranges_is_read_from_the_start(server: FaultyServer, tmp_path: Path, fault: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.json.part").write_bytes(BODY[:1000])
    server.faults["/file"].append(fault)
    assert get(server, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("fault", ["corrupt", "503"])
def test_a_passing_fault_is_tried_again(server: FaultyServer, tmp_path: Path, fault: str) -> None:
    server.faults["/file"].append(fault)
    assert get(server, tmp_path).read_bytes() == BODY
    assert len(server.requests) == 2


def test_wrong_content_leaves_nothing_and_says_so(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"/file: wrong content \(SHA-256 .*, expected 0{12}\.\.\.\), after 3 tries"):
        get(server, tmp_path, "0" * 64)
    assert left(tmp_path) == []
    assert len(server.requests) == 3


def test_an_error_of_the_server_that_stays_ends_after_the_tries(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["/file"].extend(["503"] * 9)
    with pytest.raises(LabError, match="/file: the server answered 503, after 3 tries"):
        get(server, tmp_path)
    assert len(server.requests) == 3


def test_what_is_not_there_is_refused_at_once(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["/file"].append("404")
    with pytest.raises(LabError, match=rf"{server.base}/file: the server answered 404 \(Not Found\)"):
        get(server, tmp_path)
    assert len(server.requests) == 1 and left(tmp_path) == []


def test_a_server_that_goes_away_leaves_a_part_to_resume(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["/file"].extend(["truncate", "503", "503", "503"])
    with pytest.raises(LabError, match=r"256000 bytes are kept and the same command resumes from there"):
        get(server, tmp_path)
    assert left(tmp_path) == ["file.json.part"]
    assert get(server, tmp_path).read_bytes() == BODY


def test_a_server_that_restarts_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    port = free_port()
    started = start_later({"/file": BODY}, port, 0.2)
    patience = Patience(attempts=9, stall=0.5, pause=0.02)  # 0.02 x (2^8 - 1) = 5 s of waiting in all
    path = download(f"http://127.0.0.1:{port}/file", tmp_path / "file", SUM, patience)
    assert path.read_bytes() == BODY
    started[0].close()


def test_no_server_at_all_names_the_address(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"http://127\.0\.0\.1:\d+/file: no connection .*another --mirror"):
        download(f"http://127.0.0.1:{free_port()}/file", tmp_path / "file", SUM, QUICK)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "nonsense"])
def test_only_http_addresses(url: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="expected an http or https address"):
        download(url, tmp_path / "file", SUM, QUICK)


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1/x", "file:///etc/hostname", "http://[::1/", "http://127.0.0.1:x/"]
)
def test_redirects_lead_to_http_addresses_alone(server: FaultyServer, tmp_path: Path, address: str) -> None:
    server.faults["/file"].extend([f"to {address}"] * 3)
    with pytest.raises(LabError, match=rf"^{server.base}/file: .*(redirects to|leads to|302)") as caught:
        get(server, tmp_path)
    assert "\n" not in str(caught.value) and len(server.requests) == 1 and left(tmp_path) == []


def test_a_redirect_to_another_file_of_the_web_is_followed(server: FaultyServer, tmp_path: Path) -> None:
    server.files["/moved"] = BODY
    server.faults["/file"].append(f"to {server.base}/moved")
    assert get(server, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("url", ["http://[::1/", "http://127.0.0.1:port/x", "http://127.0.0.1/a b\x01"])
def test_an_address_that_cannot_be_is_refused_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="address"):
        download(url, tmp_path / "file", SUM, QUICK)


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_body_without_end_is_cut_at_the_size_of_the_file(
    server: FaultyServer, tmp_path: Path, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "MOST", len(BODY))
    server.faults["/file"].append("endless")
    here: list[int] = []
    path = download(f"{server.base}/file", tmp_path / "file", SUM, QUICK, here.append, size)
    assert path.read_bytes() == BODY and max(here) == len(BODY) + 1  # the second try was the right file
    server.faults["/file"].extend(["endless"] * 3)
    with pytest.raises(
        LabError, match=rf"/file: more than the {len(BODY)} bytes came that the file has, after 3 tries"
    ):
        download(f"{server.base}/file", tmp_path / "other", SUM, QUICK, size=size)
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize("fault", ["drip", "one byte"])
def test_a_server_that_is_too_slow_is_given_up_on(server: FaultyServer, tmp_path: Path, fault: str) -> None:
    """Each byte is progress, and would be waited for; but not for days."""
    server.faults["/file"].extend([fault] * 500)
    patience = Patience(attempts=3, stall=0.5, pause=0.01, grace=0.2, slowest=1e6)
    with pytest.raises(LabError, match=r"/file: only \d+ bytes came in \d+ s; \d+ bytes are kept and the same command"):
        download(f"{server.base}/file", tmp_path / "file", SUM, patience)


def test_a_head_without_end_is_a_failed_try(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["/file"].extend(["slow head"] * 3)
    patience = Patience(attempts=3, stall=0.05, pause=0.01)
    with pytest.raises(LabError, match=r"/file: no connection \(the head of the answer does not end\), after 3 tries"):
        download(f"{server.base}/file", tmp_path / "file", SUM, patience)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("endless", "/file: more than 600000 bytes; is the address right"),
        ("drip", r"/file: only \d+ bytes came in 0 s"),
        ("slow head", "/file: .*does not end"),
        ("404", "/file: HTTP Error 404: Not Found"),
        (
            "to ftp://127.0.0.1/x",
            "/file: the server redirects to 'ftp://127.0.0.1/x', expected an http or https address",
        ),
        ("to http://[::1/", "/file: .*"),
    ],
)
def test_a_page_of_the_web_is_read_within_bounds(server: FaultyServer, fault: str, message: str) -> None:
    assert read_web(f"{server.base}/file", 600_000, 0.3) == BODY
    server.faults["/file"].append(fault)
    with pytest.raises(LabError, match=message) as caught:
        read_web(f"{server.base}/file", 600_000, 0.3 if fault != "slow head" else 0.05)
    assert str(caught.value).isprintable()


def test_416_for_a_part_that_is_not_there_is_an_answer_like_404(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["/file"].append("416")
    with pytest.raises(LabError, match=r"/file: the server answered 416 \("):
        get(server, tmp_path)


@pytest.mark.parametrize("value", ["abc", "-5", "²", "9" * 5000, "1e3"])
def test_a_length_that_is_no_number_is_one_line(server: FaultyServer, tmp_path: Path, value: str) -> None:
    server.faults["/file"].extend([f"Content-Length: {value}".encode().decode("latin-1")] * 3)
    with pytest.raises(LabError, match=r"/file: the server says Content-Length: .{1,50}, after 3 tries"):
        get(server, tmp_path)


@pytest.mark.parametrize("value", ["bytes ²-", "bytes x-y/z", "", "pages 1-2", "bytes " + "9" * 5000 + "-"])
def test_a_range_that_is_no_number_is_another_range(server: FaultyServer, tmp_path: Path, value: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.json.part").write_bytes(BODY[:1000])
    server.faults["/file"].append(f"Content-Range: {value}".encode().decode("latin-1"))
    assert get(server, tmp_path).read_bytes() == BODY  # from the start


def test_a_folder_that_cannot_be_made_is_named(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("a file where the folder should be")
    with pytest.raises(LabError, match=r"file\.json: cannot write: "):
        get(server, tmp_path)


def test_a_full_disk_is_one_line(server: FaultyServer, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    # Writing to /dev/full fails as on a full disk.
    (tmp_path / "file.part").symlink_to("/dev/full")
    with pytest.raises(LabError, match=r"file: cannot write: No space left on device"):
        download(f"{server.base}/file", tmp_path / "file", SUM, QUICK)
    assert not (tmp_path / "file").exists()


# The manifest level: many files, one of them out of a zip.


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._data.json", b"noise")
        archive.writestr("../outside.txt", b"must never be written")
        archive.writestr(name, content)
    return buffer.getvalue()


FILES = {"c0/a/schema.json": b"[]", "c0/a/train.json": BODY, "c1/z.zip": zipped("Z/data.json", BODY[:5000])}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def corpus(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """Serve a small corpus and put its manifest in place of the official ones."""
    files = [
        {"target": "toy/schema.json", "path": "c0/a/schema.json", "size": 2},
        {"target": "toy/train.json", "path": "c0/a/train.json", "size": None},
        {"target": "toy21/data.json", "path": "c1/z.zip", "size": len(FILES["c1/z.zip"])},
    ]
    for entry in files:
        entry["sha256"] = sha(FILES[str(entry["path"])])
    files[2]["member"] = {"name": "Z/data.json", "size": 5000, "sha256": sha(BODY[:5000])}
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "toy.json").write_text(json.dumps({"base": server.base + "/official", "files": files}))
    monkeypatch.setattr(fetch_module, "MANIFESTS", tmp_path / "manifests")
    server.files = {f"/official/{path}": body for path, body in FILES.items()}
    return server


def fetch_toy(folder: Path, mirror: str | None = None) -> Path:
    return fetch("toy", folder, mirror, QUICK, Console(file=io.StringIO()))


def test_fetch_brings_every_file_and_nothing_else(corpus: FaultyServer, tmp_path: Path) -> None:
    folder = fetch_toy(tmp_path / "cache")
    assert (folder / "toy" / "train.json").read_bytes() == BODY
    assert (folder / "toy21" / "data.json").read_bytes() == BODY[:5000]
    assert left(tmp_path) == ["data.json", "schema.json", "toy.json", "train.json"]  # no zip, no part, no outside.txt


def test_fetch_again_asks_the_server_nothing(corpus: FaultyServer, tmp_path: Path) -> None:
    fetch_toy(tmp_path / "cache")
    corpus.requests.clear()
    fetch_toy(tmp_path / "cache")
    assert corpus.requests == []


def test_fetch_repairs_only_what_is_damaged(corpus: FaultyServer, tmp_path: Path) -> None:
    folder = fetch_toy(tmp_path / "cache")
    (folder / "toy" / "train.json").write_bytes(BODY[:-1])
    corpus.requests.clear()
    fetch_toy(folder)
    assert [path for path, _ in corpus.requests] == ["/official/c0/a/train.json"]
    assert (folder / "toy" / "train.json").read_bytes() == BODY


def test_a_half_fetched_corpus_is_not_in_its_place(corpus: FaultyServer, tmp_path: Path) -> None:
    corpus.faults["/official/c1/z.zip"].append("404")
    with pytest.raises(LabError, match=r"/official/c1/z\.zip: the server answered 404"):
        fetch_toy(tmp_path / "cache")
    assert not (tmp_path / "cache" / "toy").exists() and not (tmp_path / "cache" / "toy21").exists()
    corpus.requests.clear()
    folder = fetch_toy(tmp_path / "cache")
    assert [path for path, _ in corpus.requests] == ["/official/c1/z.zip"]  # the others had come
    assert (folder / "toy" / "schema.json").exists()


def test_a_mirror_replaces_the_official_address(corpus: FaultyServer, tmp_path: Path) -> None:
    corpus.files = {f"/copy/{path}": body for path, body in FILES.items()}
    folder = fetch_toy(tmp_path / "cache", corpus.base + "/copy/")
    assert (folder / "toy" / "train.json").read_bytes() == BODY


def test_what_was_fetched_is_what_is_loaded_by_name(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout is that of the reader: a tiny corpus goes over the wire under the official names and is read back."""
    source = write_tiny_corpus(tmp_path / "tiny")
    files, served = [], {}
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name = path.relative_to(source).as_posix()
        target = f"multiwoz21/{name}" if name == "data.json" or name.startswith("db/") else f"multiwoz22/{name}"
        served[f"/c0/{name}"] = path.read_bytes()
        files.append({"target": target, "path": f"c0/{name}", "size": None, "sha256": sha(path.read_bytes())})
    server.files = served
    (tmp_path / "manifests").mkdir()
    manifest = {"base": server.base, "files": files}
    (tmp_path / "manifests" / "multiwoz22.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(fetch_module, "MANIFESTS", tmp_path / "manifests")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAB_DATA", raising=False)
    fetch("multiwoz22", cache_folder(), None, QUICK, Console(file=io.StringIO()))
    assert load_corpus("multiwoz22").splits == load_corpus(str(source)).splits


def test_an_unknown_corpus_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no corpus called 'multiwoz2'.*did you mean 'multiwoz22'\?"):
        fetch("multiwoz2", tmp_path)


@pytest.mark.parametrize(
    ("content", "member", "message"),
    [
        (zipped("data.json", b"x"), "other.json", "expected a member called other.json"),
        (zipped("data.json", b"x"), "data.json", "data.json has SHA-256 2d711642b726..., expected 000000000000"),
        (zipped("data.json", b"x" * 999)[:150], "data.json", "broken zip file"),
    ],
)
def test_a_zip_that_is_not_what_it_should_be(content: bytes, member: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(content)
    with pytest.raises(LabError, match=message.replace(".", r"\.")):
        extract(tmp_path / "z.zip", member, tmp_path / "out.json", "0" * 64)
    assert left(tmp_path) == ["z.zip"]


def test_the_official_manifest_is_pinned_and_complete() -> None:
    files = read_manifest("multiwoz22")["files"]
    dialogues = [entry["target"] for entry in files if "dialogues_" in entry["target"]]
    assert len(dialogues) == 17 + 2 + 2
    targets = {entry["target"] for entry in files}
    assert len(targets) == len(files)
    assert {"multiwoz22/schema.json", "multiwoz22/dialog_acts.json", "multiwoz21/data.json"} <= targets
    assert {f"multiwoz21/db/{d}_db.json" for d in ("attraction", "hotel", "restaurant", "train")} <= targets
    sgd = read_manifest("sgd")["files"]
    dialogues = [entry for entry in sgd if "dialogues_" in entry["target"]]
    assert len(dialogues) == 127 + 20 + 34 and len({entry["target"] for entry in sgd}) == len(sgd) == 181 + 3 + 15
    published = [entry["size"] for entry in sgd if "sgd_x" not in entry["target"]]
    assert sum(published) == 617_805_368  # what huggingface/datasets publishes as the size of the download
    for entry in (*files, *sgd):
        commit = entry["path"].split("/")[0]
        for digits, length in ((commit, 40), (entry["sha256"], 64)):
            assert len(digits) == length and int(digits, 16) > 0
        assert not Path(entry["target"]).is_absolute() and ".." not in entry["target"]


@pytest.mark.real
def test_manifest_checksums_agree_with_genuine_files(lab_data: Path) -> None:
    """The tables of MultiWOZ 2.1 that LAB_DATA holds unchanged have the published checksums."""
    wanted = {entry["target"]: entry["sha256"] for entry in read_manifest("multiwoz22")["files"]}
    for table in ("attraction", "restaurant", "train", "police"):
        target = f"multiwoz21/db/{table}_db.json"
        assert sha((lab_data / target).read_bytes()) == wanted[target]
    sample = lab_data / "multiwoz22_official_sample" / "schema.json"
    assert sha(sample.read_bytes()) == wanted["multiwoz22/schema.json"]
    wanted = {entry["target"]: entry["sha256"] for entry in read_manifest("sgd")["files"]}
    for name in ("train/schema.json", "dev/dialogues_001.json", "sgd_x/data/v5/test/schema.json"):
        assert sha((lab_data / "sgd" / name).read_bytes()) == wanted[f"sgd/{name}"]
