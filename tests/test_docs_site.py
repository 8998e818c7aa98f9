"""The documentation as a web site: links of the repository hold in it, and every page is in its navigation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("docs_site", ROOT / "scripts" / "docs_site.py")
assert spec is not None and spec.loader is not None
docs_site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(docs_site)

SERVED = {"README.md", "docs/own-data.md", "docs/images/a.png", "notebooks/00_setup.ipynb"}
FENCE = "```\n<!-- kept -->\n[a](a.py)\n```\n"
REPOSITORY = "https://github.com/OWNER/lab"


@pytest.fixture
def root(tmp_path) -> Path:
    for path in (*SERVED, "b/c.py", "a.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{REPOSITORY}"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("page", "text", "wanted"),
    [
        ("README.md", "[own](docs/own-data.md#splits)", None),
        ("docs/own-data.md", "[lab](../notebooks/00_setup.ipynb)", "[lab](../notebooks/00_setup.md)"),
        ("README.md", "[![a](docs/images/a.png)](b)", f"[![a](docs/images/a.png)]({REPOSITORY}/tree/main/b)"),
        ("docs/own-data.md", "[in a\nrow](../a.py#L3)", f"[in a\nrow]({REPOSITORY}/blob/main/a.py#L3)"),
        ("README.md", "[x](https://a.org/a.py) [y](#top)", None),
        ("README.md", "[dead](docs/gone.md) [out](../other/x.md)", None),
        ("README.md", "`[a](a.py)`\n\n    [a](a.py)\n", None),
        ("README.md", f"{FENCE}<!-- rows x -->\n| a |\n<!-- end -->\n", f"{FENCE}| a |\n"),
    ],
)  # fmt: skip
def test_links_lead_to_pages_of_the_site_or_to_the_repository(root, page, text, wanted):
    assert docs_site.rewrite(text, page, root, SERVED) == (wanted or text)


def named(entries) -> list[str]:
    """Return the pages of a navigation."""
    if isinstance(entries, str):
        return [entries]
    return [page for one in (entries.values() if isinstance(entries, dict) else entries) for page in named(one)]


def test_every_page_is_in_the_navigation_once_and_every_entry_is_a_page():
    pages = {docs_site.page_name(path) for path in docs_site.files(ROOT, docs_site.PAGES)}
    entries = named(docs_site.settings(ROOT)["nav"])
    assert sorted(entries) == sorted(page for page in pages if not page.endswith("/summary.md"))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} < set(entries)


def test_the_source_folder_has_pages_pictures_and_the_address(root, tmp_path):
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "# Lab 00\n[own](../docs/own-data.md)"}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (root / "notebooks" / "00_setup.ipynb").write_text(json.dumps(notebook))
    (root / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text())
    docs_site.assemble(root, tmp_path / "out")
    source = tmp_path / "out" / "source"
    assert "[own](../docs/own-data.md)" in (source / "notebooks" / "00_setup.md").read_text()
    assert (source / "docs" / "images" / "a.png").exists() and not (source / "b").exists()
    assert yaml.safe_load((tmp_path / "out" / "mkdocs.yml").read_text())["repo_url"] == REPOSITORY
