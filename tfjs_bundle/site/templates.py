"""The templates: ours, the user's in their place, and what is wrong with a user's.

``*.j2`` is rendered with Jinja and gives the file of that name without ``.j2``; everything else is taken as
it is. A user's file stands in for ours that gives the same file; ours can be extended as
``tfjs-bundle/<name>``, block by block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from tfjs_bundle.cache import Cache, surroundings
from tfjs_bundle.errors import OutputError, UsageError

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

#: Written beside ejected templates for whoever edits them; never part of a bundle.
NOTES = "TEMPLATES.md"

#: Where the templates of an npm package lie, see :mod:`tfjs_bundle.site.npm`.
PACKAGE_TEMPLATES = "npm/"

#: Where those of reports lie, which are rendered when there is something to report.
REPORT_TEMPLATES = "report/"

#: Under which ours are found when the user's stand in their place.
OURS = "tfjs-bundle"


def templates_directory() -> Path:
    """Return where the templates lie: in the package of a wheel, beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for directory in (package / "_templates", package.parent / "templates"):
        if (directory / "index.html.j2").is_file():
            return directory
    raise UsageError(
        f"This installation of tfjs-bundle has no templates (looked beside {package}).",
        "Install tfjs-bundle again: `pip install --force-reinstall tfjs-bundle`.",
    )


def template_names(directory: Path) -> list[str]:
    """Return every template's path, sorted; without notes, hidden files and editors' leftovers."""
    names = []
    for path in directory.rglob("*"):
        relative = path.relative_to(directory)
        hidden = any(part.startswith(".") for part in relative.parts)
        leftover = path.name.endswith(("~", ".pyc")) or path.name == NOTES
        if path.is_file() and not hidden and not leftover:
            names.append(relative.as_posix())
    return sorted(names)


def render_templates(
    template: Path | None,
    values: Mapping[str, Any],
    place: Callable[[str], str | None],
    cache: Cache | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Give each file, by its path in the bundle.

    Args:
        template: a directory whose files replace ours or are added.
        values: what templates are given; ``TEMPLATES.md`` among the templates lists it.
        place: from the path that a template's name gives to the path in the bundle, or to nothing where
            the template is not for this bundle.
        cache: of templates that were compiled before, which takes longer than to render them.

    Raises:
        UsageError: ``template`` is no directory, has two templates for one file, or one that does not
            render; its file and line are named.
    """
    chosen = _by_file(templates_directory())
    if template is not None:
        if not template.is_dir():
            raise UsageError(f"The template directory {template} does not exist.", "Name a directory.")
        chosen |= _by_file(template)
    environment = _environment(template, cache)
    for file, source in sorted(chosen.items()):
        path = place(file)
        if path is None:
            continue
        if source.suffix != ".j2":
            yield path, source.read_bytes()
            continue
        try:
            text = environment.get_template(f"{file}.j2").render(values)
        except Exception as error:  # a template is a program: it may raise anything
            what = f"The template {source}{_line(error, source)} does not render: {error}."
            raise UsageError(what, "Correct it; `tfjs-bundle eject` writes ours out again.") from None
        yield path, text.encode()


def doubts(template: Path | None) -> list[str]:
    """Return a sentence for each file of ``template`` that replaces nothing and looks as if it were to."""
    if template is None or not template.is_dir():
        return []
    import difflib

    ours, theirs = _by_file(templates_directory()), _by_file(template)
    sentences = []
    for path, source in theirs.items():
        close = difflib.get_close_matches(path, ours.keys() - theirs.keys(), n=1, cutoff=0.8)
        if path not in ours and close:
            sentences.append(
                f"The template {source} replaces none of ours; did you mean {ours[close[0]].name}? "
                f"It is added as {path}."
            )
    return sentences


def eject(directory: Path, names: Sequence[str] = (), *, force: bool = False) -> list[Path]:
    """Write our templates out, to be edited and given back with ``--template``.

    Args:
        directory: where to; made where it does not exist.
        names: only these, with or without ``.j2``; all by default. The notes come with any.
        force: replace what is there.

    Returns:
        the files written, the notes last.

    Raises:
        UsageError: there is no template of that name.
        OutputError: a file is there already, or cannot be written; nothing was written then.
    """
    ours = templates_directory()
    available = template_names(ours)
    wanted = [_named(name, available) for name in names] or available
    targets = {name: directory / name for name in [*dict.fromkeys(wanted), NOTES]}
    present = [str(path) for name, path in targets.items() if name != NOTES and path.exists()]
    if present and not force:
        raise OutputError(
            f"{', '.join(present)} {'is' if len(present) == 1 else 'are'} there already.",
            "Give --force to replace what you have with ours, or another directory.",
        )
    try:
        for name, path in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((ours / name).read_bytes())
    except OSError as error:
        raise OutputError(
            f"The templates cannot be written to {directory}: {error}.", "Name another directory."
        ) from None
    return list(targets.values())


def _named(name: str, available: Sequence[str]) -> str:
    for candidate in (name, f"{name}.j2"):
        if candidate in available:
            return candidate
    import difflib

    close = difflib.get_close_matches(name, available, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no template {name}.{meant}", f"There are {', '.join(available)}.")


def _by_file(directory: Path) -> dict[str, Path]:
    """Return the templates of a directory by the file that each gives."""
    files: dict[str, Path] = {}
    for name in template_names(directory):
        path = name.removesuffix(".j2")
        if path in files:
            raise UsageError(
                f"The templates {files[path]} and {directory / name} both give {path}.", "Remove one of them."
            )
        files[path] = directory / name
    return files


def _environment(template: Path | None, cache: Cache | None) -> jinja2.Environment:
    ours = jinja2.FileSystemLoader(templates_directory())
    theirs = [jinja2.FileSystemLoader(template)] if template is not None else []
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*theirs, ours, jinja2.PrefixLoader({OURS: ours})]),
        # What is not HTML writes its values through tojson or markdown.
        autoescape=lambda name: name is not None and name.endswith((".html.j2", ".svg.j2")),  # noqa: S701
        undefined=jinja2.StrictUndefined,
        bytecode_cache=_Compiled(cache) if cache else None,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = _escape_markdown
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": True}
    return environment


class _Compiled(jinja2.BytecodeCache):
    """Compiled templates, found by their source and by everything that compiles them.

    This is code, and is trusted as Python's own ``__pycache__`` is: nobody else can write in the directory.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def load_bytecode(self, bucket: Bucket) -> None:
        found = self._cache.find(self._key(bucket))
        if isinstance(found, bytes):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._cache.keep(self._key(bucket), bucket.bytecode_to_string())

    def _key(self, bucket: Bucket) -> str:
        return f"template {bucket.key} {bucket.checksum} {surroundings(self._cache)}"


def _line(error: Exception, source: Path) -> str:
    """Name the line: Jinja puts the template's own lines into tracebacks."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        inside = f" of {error.name}" if error.name and Path(error.name).name != source.name else ""
        return f", line {error.lineno}{inside}"
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    if not frames:
        return ""
    last = frames[-1]
    inside = f" of {last.filename}" if Path(last.filename) != source else ""
    return f", line {last.lineno}{inside}"


def _escape_markdown(text: object) -> str:
    """Make hostile text one line of plain Markdown."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]()#+.!|<>~&-])", r"\\\1", line)
