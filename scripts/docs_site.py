"""The documentation as a web site: README, docs/, results/ and the notebooks without solutions, by MkDocs.

    pip install -e '.[site]' && python scripts/docs_site.py     # build/site/html/index.html

Pages keep their places, so links between them stay as they are. A link to a file that is no page leads to the
repository, whose address is the line of pyproject.toml. A dead link is an error (mkdocs build --strict).
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tomllib
import yaml

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = "notebooks/*.ipynb"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "results/*.md", "results/*/summary.md", NOTEBOOKS)
PICTURES = ("docs/images/*", "docs/*.css", "results/figures/*.svg", "results/*/*.png")
# Code (fences, indented lines, spans) is matched first and kept; what is left is a link's target, or a comment.
CODE, TARGET, COMMENT = (
    r"^```.*?^```|^ {4,}[^\n]*|`[^`\n]+`",
    r"(?P<before>\]\()(?P<target>[^)\s]+)(?=\))",
    r"<!--.*?-->\n?",
)
LINK = re.compile(rf"(?P<code>{CODE})|{TARGET}|{COMMENT}", re.MULTILINE | re.DOTALL)


def files(root: Path, patterns: Collection[str]) -> list[str]:
    """Return the files of the repository that match, as paths from its root with slashes."""
    return sorted({path.relative_to(root).as_posix() for pattern in patterns for path in root.glob(pattern)})


def address_of(root: Path) -> str:
    """Return the address of the repository, from the one line that has it."""
    address: str = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    return address


def page_name(path: str) -> str:
    """Return what a page is called in the site: a notebook becomes Markdown."""
    return re.sub(r"\.ipynb$", ".md", path)


def rewrite(text: str, page: str, root: Path, served: Collection[str]) -> str:
    """Return the Markdown of `page` with its links as the site needs them, and without comments.

    `served` are the files of the repository that the site has. What exists nowhere is left as it is: MkDocs names it.
    """

    def replaced(match: re.Match[str]) -> str:
        if match["target"]:
            return match["before"] + link(match["target"], page, root, served)
        return match["code"] or ""

    return LINK.sub(replaced, text)


def link(target: str, page: str, root: Path, served: Collection[str]) -> str:
    """Return the target of one link for the site."""
    path, hash_sign, anchor = target.partition("#")
    if not path or ":" in path:
        return target
    found = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    if found in served:
        return page_name(path) + hash_sign + anchor
    if found.startswith("..") or not (root / found).exists():
        return target
    return f"{address_of(root)}/{'tree' if (root / found).is_dir() else 'blob'}/main/{found}{hash_sign}{anchor}"


def markdown(path: Path) -> str:
    """Return a notebook as Markdown. The students' notebooks have no outputs, so there is nothing to convert."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    parts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in parts) + "\n"


def heading(text: str, path: str) -> str:
    """Return the first heading of a page, or its path where there is none."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else path


def assemble(root: Path, out: Path) -> None:
    """Write the source folder of the site to `out`: pages with their links rewritten, pictures, mkdocs.yml."""
    pages, pictures = files(root, PAGES), files(root, PICTURES)
    for name in [*pages, *pictures]:
        place = out / "source" / page_name(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if name in pictures:
            shutil.copyfile(root / name, place)
            continue
        text = markdown(root / name) if name.endswith(".ipynb") else (root / name).read_text("utf-8")
        place.write_text(rewrite(text, name, root, {*pages, *pictures}), encoding="utf-8")
    more = {"repo_url": address_of(root), "docs_dir": "source", "site_dir": "html"}
    (out / "mkdocs.yml").write_text(yaml.safe_dump({**settings(root), **more}, sort_keys=False), encoding="utf-8")


def settings(root: Path) -> dict[str, Any]:
    """Return mkdocs.yml with the notebooks in the place of its entry for all of them."""
    found: dict[str, Any] = yaml.safe_load((root / "mkdocs.yml").read_text("utf-8"))
    labs = [{heading(markdown(root / path), path): page_name(path)} for path in files(root, [NOTEBOOKS])]
    for entries in (entries for group in found["nav"] for entries in group.values()):
        if page_name(NOTEBOOKS) in entries:
            place = entries.index(page_name(NOTEBOOKS))
            entries[place : place + 1] = labs
    return found


def main() -> int:
    """Assemble the folder and let MkDocs build the site; return its exit code."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "site")
    shutil.rmtree(out / "source", ignore_errors=True)
    assemble(ROOT, out)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(out / "mkdocs.yml")]
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
