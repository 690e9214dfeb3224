"""Fixtures for tests in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect
from static_host import StaticHost
from tiny_bundle import write_bundle

#: Milliseconds; generous, since a software GPU on a busy machine is slow. Never slept through.
TIMEOUT = 60_000
expect.set_options(timeout=TIMEOUT)


def pytest_collection_modifyitems(items):
    """Everything in this folder starts Chromium, and is marked so."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def context(chromium):
    """A fresh browser context: no storage, no caches, no service workers of other tests."""
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A fresh page in a fresh context."""
    return context.new_page()


@pytest.fixture
def static_host():
    """A function that starts :class:`static_host.StaticHost` (same arguments); stopped at the end."""
    hosts: list[StaticHost] = []

    def start(directory, **options) -> StaticHost:
        host = StaticHost(directory, **options)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory):
    """The directory of a small bundle made without TensorFlow; leave it as it is, or copy it."""
    return write_bundle(tmp_path_factory.mktemp("tiny"))
