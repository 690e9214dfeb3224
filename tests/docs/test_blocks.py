"""Every block of code in README and docs runs as it stands, or says in the page's source why it cannot."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from importlib import import_module

import pytest
from blocks import ROOT, Reader, blocks

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: How many blocks of a page are not run; a new one is a decision, and is made here.
NOT_RUN = {
    "README.md": 2,  # pip install, and what wants data
    "docs/architecture.md": 2,
    "docs/custom-pages.md": 6,  # pages that tests/browser/test_elements.py opens, a template, a style sheet
    "docs/examples.md": 1,
    "docs/front-end.md": 4,  # apps, which tests/browser/test_plugins.py builds
    "docs/hosting.md": 4,  # nginx, S3, Flask, Django
}

#: Output and diagrams.
SHOWN = "text"


def _name(page) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def built() -> dict:
    """What commands wrote, so that pages that build the same model build it once."""
    return {}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """What builds keep for the next one; with it a build takes a second."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reader(tmp_path, monkeypatch, chromium, child, cache, built) -> Reader:
    """Somebody with the digits model in an empty directory; all builds share one process with TensorFlow."""

    @contextmanager
    def shared(progress=None):
        if progress:
            child.progress = progress
        yield child

    for name in ("tfjs_bundle.convert.child", "tfjs_bundle.pipeline", "tfjs_bundle.serve.session"):
        user = import_module(name)
        monkeypatch.setattr(user, "Child", shared)
    monkeypatch.setenv("TFJS_BUNDLE_CACHE", str(cache))
    monkeypatch.setattr(child, "interrupt", lambda: None)  # what ends a preview, and would end TensorFlow
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "demo_site" / "digits.keras", tmp_path / "model.keras")
    return Reader(tmp_path, chromium, built)


def _to_run(page) -> list:
    return [block for block in blocks(page) if not block.not_run and block.language != SHOWN]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_has_a_language_that_runs_or_a_reason_why_not(page):
    for block in blocks(page):
        if block.language == SHOWN:
            told = re.search(
                r"^(\$|tfjs-bundle|pip|npm|npx|python|import|from|const) .*", block.code, re.MULTILINE
            )
            assert not told, f"{block.place}: {told and told[0]!r} is no output; give the block its language"
        runs = hasattr(Reader, f"run_{block.language}")
        assert runs or block.not_run or block.language == SHOWN, (
            f"{block.place}: nothing runs {block.language!r} here, and no comment why"
        )


def test_blocks_that_are_not_run_are_the_ones_we_know():
    found = {_name(page): sum(bool(block.not_run) for block in blocks(page)) for page in PAGES}
    assert {name: count for name, count in found.items() if count} == NOT_RUN


@pytest.mark.browser
@pytest.mark.tensorflow
@pytest.mark.parametrize("page", [page for page in PAGES if _to_run(page)], ids=_name)
def test_following_a_page_works(page, reader):
    for block in _to_run(page):
        try:
            reader.run(block)
        except (Exception, SystemExit) as error:
            pytest.fail(f"{block.place}: {type(error).__name__}: {error}\n\n{block.code}")
