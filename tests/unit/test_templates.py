"""Templates: ours, the user's in their place, and what is said of those that cannot be right."""

from __future__ import annotations

import os
import re
from pathlib import Path

import jinja2
import pytest

from tfjs_bundle.cache import Cache
from tfjs_bundle.errors import OutputError, UsageError
from tfjs_bundle.site import templates
from tfjs_bundle.site.templates import (
    NOTES,
    PACKAGE_TEMPLATES,
    REPORT_TEMPLATES,
    doubts,
    eject,
    render_templates,
    templates_directory,
)

VALUES = {
    "page": {
        "name": "<b>",
        "task": "tensors",
        "inputs": [],
        "outputs": [],
        "preprocessing": {},
        "labels": {},
        "form": {},
        "examples": [],
        "backends": {},
        "model_bytes": 12,
        "warnings": [],
    },
    "package": None,
    "elements_script": "runtime/elements-1.js",
    "demo_style": "runtime/style-2.css",
    "content_security_policy": "default-src 'none'",
    "hosting": {"title": "any host", "reads": "_headers"},
    "created_with": {},
    "source": {"format": None},
    "backends": [],
}


@pytest.fixture
def mine(tmp_path) -> Path:
    directory = tmp_path / "mine"
    directory.mkdir()
    return directory


def rendered(template: Path | None) -> dict[str, str]:
    def place(path: str) -> str | None:
        return None if path.startswith((PACKAGE_TEMPLATES, REPORT_TEMPLATES)) else path

    return {path: content.decode() for path, content in render_templates(template, VALUES, place)}


def test_a_directory_replaces_by_name_and_adds(mine):
    (mine / "pictures").mkdir()
    (mine / "index.html.j2").write_text("<!doctype html><title>{{ page.name }}</title>")
    (mine / "pictures" / "logo.svg").write_text("<svg/>")
    (mine / ".git").mkdir()
    (mine / ".git" / "config").write_text("hidden")
    files = rendered(mine)
    assert files["index.html"] == "<!doctype html><title>&lt;b&gt;</title>"
    assert files["pictures/logo.svg"] == "<svg/>"
    assert set(files) == {*rendered(None), "pictures/logo.svg"}
    assert doubts(mine) == []


def test_a_page_that_is_not_a_template_replaces_the_one_that_is(mine):
    (mine / "index.html").write_text("{{ as it is }}")
    assert rendered(mine)["index.html"] == "{{ as it is }}"


def test_a_page_can_change_blocks_of_ours_as_the_guide_shows(mine):
    guide = Path(__file__).parents[2] / "docs" / "custom-pages.md"
    (mine / "index.html.j2").write_text(re.search(r"```jinja\n(.*?)```", guide.read_text(), re.DOTALL)[1])
    ours, changed = rendered(None)["index.html"], rendered(mine)["index.html"]
    assert "Give the model its inputs" in ours
    assert "Give the model its inputs" not in changed
    assert '<p class="lede">Draw a line, and see where it is.</p>' in changed
    assert '<link rel="stylesheet" href="mine.css">' in changed.partition("</head>")[0]
    assert "statements" not in changed
    # what is not in a block of theirs is as it is, macros and values among it
    for part in (r"<tfjs-inputs>.*</tfjs-engine>", r"<details.*</details>", r"<script type=.*?</script>"):
        assert re.search(part, changed, re.DOTALL)[0] == re.search(part, ours, re.DOTALL)[0]


def test_every_block_that_the_notes_name_is_one_of_the_page(mine):
    notes = (templates_directory() / NOTES).read_text()
    named = re.findall(r"`(\w+)`", re.search(r"Blocks of `index.html.j2`:(.*?)\n\n", notes, re.DOTALL)[1])
    page = (templates_directory() / "index.html.j2").read_text()
    assert named == re.findall(r"{% block (\w+) %}", page)


def test_every_value_that_templates_get_is_in_the_notes():
    notes = (templates_directory() / NOTES).read_text()
    for name in [*(set(VALUES) - {"page"}), *(f"page.{member}" for member in VALUES["page"])]:
        assert f"`{name}`" in notes


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\n\n{% if %}", "index.html.j2, line 3 does not render"),
        ("\n{{ nothing_of_that_name }}", "index.html.j2, line 2 does not render: 'nothing_of_that_name'"),
        ("{{ page.name }}\n\n{{ 1 / 0 }}", "index.html.j2, line 3 does not render: division by zero"),
        (
            "{% include 'part.j2' %}",
            "index.html.j2, line 4 of {}/part.j2 does not render: 'oops' is undefined",
        ),
        ("{% include 'nowhere.j2' %}", "index.html.j2, line 1 does not render: nowhere.j2"),
    ],
)
def test_a_template_that_does_not_render_is_named_with_its_line(source, message, mine):
    (mine / "index.html.j2").write_text(source)
    (mine / "part.j2").write_text("\n\n\n{{ oops }}")
    with pytest.raises(UsageError) as refused:
        rendered(mine)
    assert f"The template {mine}/{message.format(mine)}" in str(refused.value)


def test_two_templates_for_one_file_are_refused(mine):
    (mine / "index.html").write_text("")
    (mine / "index.html.j2").write_text("")
    with pytest.raises(UsageError, match=r"index.html and .*index.html.j2 both give index.html"):
        rendered(mine)


def test_a_template_directory_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(UsageError, match="nowhere does not exist"):
        rendered(tmp_path / "nowhere")


def test_a_name_that_is_nearly_one_of_ours_is_doubted_and_a_new_one_is_not(mine):
    (mine / "idnex.html.j2").write_text("")
    (mine / "about.html.j2").write_text("")
    (sentence,) = doubts(mine)
    assert sentence == (
        f"The template {mine / 'idnex.html.j2'} replaces none of ours; did you mean index.html.j2? "
        "It is added as idnex.html."
    )
    assert doubts(None) == []


def test_ejected_templates_give_what_ours_give(tmp_path):
    written = eject(tmp_path / "ejected")
    names = [path.relative_to(tmp_path / "ejected").as_posix() for path in written]
    assert names == [*templates.template_names(templates_directory()), NOTES]
    assert rendered(tmp_path / "ejected") == rendered(None)


def test_single_templates_are_ejected_by_name_with_or_without_j2(tmp_path):
    written = eject(tmp_path, ["index.html", "icon.svg"])
    assert [path.name for path in written] == ["index.html.j2", "icon.svg", NOTES]
    eject(tmp_path, ["_headers"])  # the notes may be there already
    with pytest.raises(UsageError, match=r"There is no template index.htm. Did you mean index.html.j2\?"):
        eject(tmp_path / "other", ["index.htm"])
    assert not (tmp_path / "other").exists()


def test_nothing_is_ejected_over_what_is_there_without_force(tmp_path):
    (tmp_path / "icon.svg").write_text("mine")
    with pytest.raises(OutputError, match=r"icon.svg is there already"):
        eject(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["icon.svg"]
    eject(tmp_path, force=True)
    assert (tmp_path / "icon.svg").read_text() != "mine"


def test_a_directory_that_cannot_be_written_to_is_said_to_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        eject(tmp_path / "file" / "templates")


def test_templates_are_found_beside_the_package_or_inside_it():
    assert (templates_directory() / "index.html.j2").is_file()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A template of the user's; to be rendered with :func:`page_of`."""
    path = tmp_path / "mine" / "page.html.j2"
    path.parent.mkdir()
    path.write_text("1 {{ page.name }}")
    return path


def page_of(page: Path, cache: Cache | None, name: str = "a") -> str:
    values = {"page": {"name": name}}
    file = page.name.removesuffix(".j2")
    place = {file: file}.get
    ((_, content),) = render_templates(page.parent, values, place, cache)
    return content.decode()


def uncompiled(*_: object, **__: object) -> None:
    raise RuntimeError("it is compiled")


def test_a_template_is_compiled_once_and_rendered_with_what_it_is_given(page, cache, monkeypatch):
    assert page_of(page, cache) == "1 a"
    monkeypatch.setattr(jinja2.Environment, "compile", uncompiled)
    assert page_of(page, cache, "b") == "1 b"
    with pytest.raises(UsageError, match="it is compiled"):
        page_of(page, None)


def test_an_edited_template_is_compiled_anew_whatever_its_date(page, cache):
    page_of(page, cache)
    dates = page.stat().st_atime_ns, page.stat().st_mtime_ns
    page.write_text("2 {{ page.name }}")
    os.utime(page, ns=dates)
    assert page_of(page, cache) == "2 a"


def test_a_template_is_compiled_anew_for_other_packages(page, cache, monkeypatch):
    page_of(page, cache)
    monkeypatch.setattr(templates, "surroundings", lambda _: "another release of Jinja")
    monkeypatch.setattr(jinja2.Environment, "compile", uncompiled)
    with pytest.raises(UsageError, match="it is compiled"):
        page_of(page, cache)


def test_a_damaged_compiled_template_is_compiled_anew(page, cache):
    page_of(page, cache)
    for record in cache.directory.glob("*/record.json"):
        record.write_bytes(record.read_bytes()[:-9])
    assert page_of(page, cache) == "1 a"


def test_the_line_of_an_error_is_named_in_a_compiled_template_too(page, cache):
    page.write_text("\n{{ 1 / page.name | length }}")
    assert page_of(page, cache) == "\n1.0"
    with pytest.raises(UsageError, match=r"line 2 does not render: division by zero"):
        page_of(page, cache, "")
