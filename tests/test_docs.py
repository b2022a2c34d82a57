"""Links of the pages lead somewhere, files that pages name are there, and every page of docs/ is on the site."""

import re
from pathlib import Path

import pytest
import yaml

import styleadapt

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), ROOT / "styleadapt" / "assets" / "README.md"]
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
_NAMED = re.compile(
    r"(?<![\w/.])((?:configs|scripts|benchmarks|tools|styleadapt|tests|notebooks)/[\w./-]+\.(?:py|yaml|ipynb|jpg))"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for target, heading in _LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{target} is not there"
        if heading:
            assert heading in headings(file), f"{target}#{heading} is no heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page):
    if page.name in ("CONTRIBUTING.md", "training-log.md"):
        pytest.skip("names files that are yet to be written, or of runs of the past")
    missing = {name for name in _NAMED.findall(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()}
    assert not missing


def test_every_page_is_on_the_site():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = set(re.findall(r"[\w/-]+\.md", str(site["nav"])))
    # a folder that the site leaves out holds templates
    pages = [page for page in DOCS.rglob("*.md") if f"{page.relative_to(DOCS).parts[0]}/" != site["exclude_docs"]]
    assert {page.relative_to(DOCS).as_posix() for page in pages} <= listed


def test_the_overview_of_the_reference_has_every_public_name():
    overview = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    assert [name for name in styleadapt.__all__ if f"[`{name}`]" not in overview] == []


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", line).strip().lower().replace(" ", "-") for line in lines}
