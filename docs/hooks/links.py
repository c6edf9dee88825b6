"""MkDocs: links from docs/ to other files of the repository lead to where it is published."""

import posixpath
import re
import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
OUTSIDE = re.compile(r"(?<=\]\()\.\./([^)#\s]+)")


def on_page_markdown(markdown: str, config: MkDocsConfig, **_: object) -> str:
    """Replace every `](../path)`.

    Raises
    ------
    PluginError
        For a link to a file or folder that is not there.
    """

    def published(link: re.Match[str]) -> str:
        path = posixpath.normpath(link[1])
        if not (ROOT / path).exists():
            raise PluginError(f"docs: a link to ../{path}, which is not there")
        return f"{REPOSITORY}/{'tree' if (ROOT / path).is_dir() else 'blob'}/main/{path}"

    return OUTSIDE.sub(published, markdown)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The link to the repository in the page's head."""
    config.repo_url = REPOSITORY
    config.repo_name = REPOSITORY.split("/", 3)[3]
    return config
