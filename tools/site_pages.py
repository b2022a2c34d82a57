"""A hook of mkdocs: pages of the site that stand outside of docs/, where people look for them in a repository.

Links between those pages and docs/ are written as they hold in the repository, and are changed to what holds on the site.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "MODEL_CARD.md": "MODEL_CARD.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "styleadapt/assets/README.md": "assets.md",
}
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they hold on the site."""
    sources = {site: source for source, site in PAGES.items()}
    here = Path(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")).parent
    depth = page.file.src_uri.count("/")

    def on_site(match: re.Match[str]) -> str:
        target = (ROOT / here / match[1]).resolve()
        if not target.is_relative_to(ROOT):
            return match[1]
        name = target.relative_to(ROOT).as_posix()
        return "../" * depth + PAGES.get(name, name.removeprefix("docs/"))

    return _LINK.sub(on_site, markdown)
