"""What all tests share: one real Chromium for the whole run."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def chromium():
    """Playwright's ``Browser`` over a real headless Chromium, started once."""
    from playwright.sync_api import sync_playwright

    from tfjs_bundle.verify.browser import launch

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
