"""What all tests share, each started once for the whole run: Chromium, a TensorFlow process, saved models."""

from __future__ import annotations

import os
from collections.abc import Callable

import models
import pytest

from tfjs_bundle.convert.child import Child

# What a test builds is built, here and in every process that it starts.
os.environ["TFJS_BUNDLE_CACHE"] = "off"


@pytest.fixture(scope="session")
def chromium():
    """Playwright's ``Browser`` over a real headless Chromium, started once."""
    from playwright.sync_api import sync_playwright

    from tfjs_bundle.verify.browser import launch

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def child():
    """The process with TensorFlow in it; a build forgets the model of the one before."""
    with Child() as child:
        yield child


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Callable[[str], models.Sample]:
    """A function from a name in ``models.MODELS`` to the saved model with its example; each made once."""
    directory = tmp_path_factory.mktemp("models")
    made: dict[str, models.Sample] = {}

    def get(name: str) -> models.Sample:
        if name not in made:
            made[name] = models.make(name, directory)
        return made[name]

    return get
