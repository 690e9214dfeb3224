"""The command line: parses options, draws progress, prints summaries, and turns refusals into exit codes.

Only this module prints. Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfjs_bundle import __version__
from tfjs_bundle.bundle import BACKENDS
from tfjs_bundle.config import CONVERTERS, FORMATS, QUANTIZATIONS
from tfjs_bundle.errors import BundleError, UsageError
from tfjs_bundle.site.hosting import HOSTS

if TYPE_CHECKING:
    from tfjs_bundle.convert.child import Child
    from tfjs_bundle.serve.server import Server

_PATH = click.Path(path_type=Path)


@dataclass
class _Output:
    """What becomes of standard output: one JSON object with ``--json``, in whatever way the command ends."""

    as_json: bool = False
    printed: bool = False


def main(arguments: list[str] | None = None) -> None:
    """Run the command; the process ends with the exit code of what happened."""
    # click may refuse the arguments before it has come to this one
    output = _Output(as_json="--json" in (sys.argv[1:] if arguments is None else arguments))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # so that a stopped build cleans up as after Ctrl-C
    try:
        code = cli.main(arguments, prog_name="tfjs-bundle", standalone_mode=False, obj=output)
    except BundleError as error:
        _tell_json(output, error.what, error.cure, error.exit_code)
        _show(error)
        code = error.exit_code
    except click.ClickException as error:
        _tell_json(output, error.format_message(), "", error.exit_code)
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code, what = 130, "Interrupted; the output is as it was."
        _tell_json(output, what, "", code)
        click.echo(what, err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _tell_json(output: _Output, what: str, cure: str, exit_code: int) -> None:
    if output.as_json and not output.printed:
        told = {"what": what, "cure": cure, "exit_code": exit_code}
        click.echo(json.dumps({"error": told}, indent=1, ensure_ascii=False))


def _show(error: BundleError) -> None:
    click.secho(f"Error: {error.what}", fg="red", err=True)
    if error.cure:
        click.echo(error.cure, err=True)


def _options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


_reading = _options(
    click.option("--signature", metavar="KEY", help="Which signature of a SavedModel to build."),
    click.option(
        "--custom-objects",
        metavar="MODULE",
        help="A module or .py file that registers the model's custom layers.",
    ),
    click.option(
        "--unsafe", is_flag=True, default=None, help="Let the model file run Python code (Lambda layers)."
    ),
    click.option(
        "--allow-random",
        is_flag=True,
        default=None,
        help="Accept random numbers at inference; parity is skipped.",
    ),
    click.option("--converter", type=click.Choice(CONVERTERS), help="How to convert (default: native)."),
)
_verifying = _options(
    click.option(
        "--data",
        type=_PATH,
        metavar="FILE.npz",
        help="Inputs to verify and to measure compression with, by input name; `y` holds labels.",
    ),
    click.option(
        "--backend",
        "backends",
        multiple=True,
        type=click.Choice(BACKENDS),
        help="A backend to verify; may be repeated (default: wasm and cpu).",
    ),
)
_page = _options(
    click.option("--config", type=_PATH, help="Read options from this file (default: ./tfjs-bundle.toml)."),
    click.option("--name", help="The name shown on the page (default: the file's)."),
    click.option("--labels", type=_PATH, help="A text file with one class label per line."),
    click.option(
        "--task", help="What the page is for, for instance image-classification (default: a guess)."
    ),
    click.option("--shard-size", metavar="BYTES", help="The largest shard, for instance 4M (the default)."),
    click.option(
        "--hosting",
        type=click.Choice(tuple(HOSTS)),
        help="Where the site will be: adds what this host reads, and keeps to its limits (default: any).",
    ),
    click.option(
        "--precompress/--no-precompress",
        default=None,
        help="Write .br and .gz files beside the others (default: where the host sends them).",
    ),
    click.option("--template", type=_PATH, metavar="DIR", help="Templates in place of ours (see eject)."),
    click.option(
        "--cache/--no-cache", default=None, help="Reuse what earlier builds of the same model made (default)."
    ),
)


_compressing = _options(
    click.option(
        "--quantize",
        type=click.Choice(QUANTIZATIONS),
        help="Write the weights with fewer bits, but for those that the outputs would miss (default: none); "
        "auto takes the smallest way within --budget.",
    ),
    click.option(
        "--prune",
        type=float,
        metavar="FRACTION",
        help="Set this share of the kernels' weights to 0, for instance 0.5: the smallest, most where it "
        "costs least.",
    ),
    click.option(
        "--budget",
        type=float,
        metavar="POINTS",
        help="With --quantize auto: percentage points of accuracy on --data that may be lost (default: 0.5).",
    ),
)


def _note_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    context.ensure_object(_Output).as_json = value
    return value


_as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_note_json,
    is_eager=True,
    help='Print one JSON object on stdout and nothing else; a refusal is {"error": ...}.',
)
_verify = click.option(
    "--verify/--no-verify", default=None, help="Compare with Keras in Chromium (default: if there is one)."
)
_port = click.option(
    "--port", default=8000, show_default=True, help="The next free one is taken if it is busy."
)
_open = click.option("--open", "open_browser", is_flag=True, help="Open the page in your browser.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def cli() -> None:
    """Take a trained Keras model into the browser: a static site that predicts offline what Keras predicts.

    SOURCE is a .keras file, an .h5 or .hdf5 file, a SavedModel directory, or a TF.js graph model.json.

    \b
    Exit codes: 0 done; 2 usage; 3 the source cannot be read; 4 the model has something that cannot
    run; 5 parity failed; 6 the output cannot be written; 7 the browser is missing or died.
    """


@cli.command()
@click.argument("source", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, default=Path("dist"), show_default=True, help="The bundle's directory."
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="A site for any static host (the default), or an npm package for an app's own build.",
)
@_page
@_compressing
@_reading
@_verify
@_verifying
@_as_json
def build(source: Path, output: Path, config: Path | None, as_json: bool, **given: Any) -> None:
    """Build SOURCE into a bundle that any static host serves, and verify it against Keras."""
    from tfjs_bundle.convert.child import Child

    with Child() as child:
        _build(source, output, config, given, child=child, as_json=as_json, hint=True)


@cli.command()
@click.argument("source", type=_PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@_port
@_open
@_page
@_compressing
@_reading
@_verify
@_verifying
def serve(source: Path, host: str, port: int, open_browser: bool, config: Path | None, **given: Any) -> None:
    """Serve a bundle's directory as a host would; or preview SOURCE while you work on it.

    A preview builds again when SOURCE, its configuration, labels, templates, custom objects or data change;
    open pages load the new build by themselves, and show why one failed. Port 0 takes any free port.
    """
    if (source / "bundle.json").is_file():
        _serve(source, host, port, open_browser)
        return

    from tfjs_bundle.serve.session import Order, session
    from tfjs_bundle.serve.watch import Watcher
    from tfjs_bundle.terminal import Rebuilds

    order = Order(source, _given(given), config)
    order.check()
    drawn = Rebuilds()
    # The server says where it is at once, and builds then: the page shows how far it is, or what is wrong.
    with session(host, port) as work, Watcher() as watcher:
        try:
            _announce(work.server, f"Preview of {source.name}", open_browser)
            work.run(order, watcher, drawn.tell, drawn.on_event)
        except KeyboardInterrupt:
            pass  # Ctrl-C is how this ends, whenever it comes
        finally:
            drawn.close()


@cli.command()
@click.argument("bundle", metavar="DIR|URL")
@click.option(
    "--against", type=_PATH, metavar="SOURCE", help="Compare with this source, not with the golden cases."
)
@_reading
@_verifying
@_as_json
def verify(bundle: str, against: Path | None, as_json: bool, **given: Any) -> None:
    """Run a bundle in Chromium and compare its predictions with Keras's."""
    from tfjs_bundle import pipeline
    from tfjs_bundle.config import options

    with _progress(quiet=as_json) as progress:
        report = pipeline.verify(bundle, against, options(_given(given), use_directory=False), progress)
    if as_json:
        _print_json(report.to_json())
    else:
        _console().print(report.table())
    report.raise_if_failed()
    report.raise_if_nothing_ran()


@cli.command()
@click.argument("source", type=_PATH, metavar="SOURCE|DIR")
@_reading
@_as_json
def inspect(source: Path, as_json: bool, **given: Any) -> None:
    """Tell a model's layers, ops, backends, sizes and memory without building anything."""
    from tfjs_bundle import inspection
    from tfjs_bundle.config import options

    with _progress(quiet=as_json) as progress:
        inspected = inspection.inspect(source, options(_given(given), use_directory=False), progress)
    if as_json:
        _print_json(inspected.to_json())
    else:
        _console(stderr=False).print(inspection.render(inspected))
    if inspected.refusal:
        raise inspected.refusal


@cli.command()
@click.option(
    "-o", "--output", type=_PATH, default=Path("dist"), show_default=True, help="The bundle's directory."
)
@click.option("--serve/--no-serve", "serving", default=True, help="Serve the page afterwards (default: yes).")
@_verify
@_port
@_open
def demo(output: Path, serving: bool, verify: bool | None, port: int, open_browser: bool) -> None:
    """Build the packaged digits example, verify it and serve it."""
    from tfjs_bundle.convert.child import Child
    from tfjs_bundle.site.demo import demo_directory

    directory = demo_directory()
    settings = directory / "tfjs-bundle.toml"
    with Child() as child:
        given = {"verify": verify}
        _build(directory / "digits.keras", output, settings, given, child=child, hint=not serving)
    if serving:
        _serve(output, "127.0.0.1", port, open_browser)


@cli.command()
@click.argument("directory", type=_PATH, default=Path("templates"), metavar="[DIR]")
@click.argument("names", nargs=-1, metavar="[TEMPLATE]...")
@click.option("--force", is_flag=True, help="Replace what is there.")
def eject(directory: Path, names: tuple[str, ...], force: bool) -> None:
    """Write our templates into DIR (./templates), or only those named, to edit and to build with."""
    from tfjs_bundle.site import templates

    written = templates.eject(directory, names, force=force)
    for path in written:
        click.echo(path)
    click.echo(
        f"Edit them (see {written[-1]}), then: tfjs-bundle build SOURCE --template {directory}", err=True
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Drop what was not given, so that the configuration file speaks."""
    return {name: value for name, value in values.items() if value is not None and value != ()}


def _build(
    source: Path,
    output: Path,
    config: Path | None,
    given: dict[str, Any],
    *,
    child: Child,
    as_json: bool = False,
    hint: bool = False,
) -> None:
    from tfjs_bundle import pipeline, summary
    from tfjs_bundle.cache import users_cache
    from tfjs_bundle.config import files, options

    given = _given(given)
    merged = options(given, config)
    with _progress(quiet=as_json) as progress:
        result = pipeline.build(source, output, merged, progress, child, users_cache(merged.cache))
    if as_json:
        _print_json(summary.to_json(result, [source, *files(given, config)]))
    else:
        _console().print(summary.render(result, hint))


def _serve(directory: Path, host: str, port: int, open_browser: bool) -> None:
    from tfjs_bundle.bundle import load_bundle
    from tfjs_bundle.serve.server import serve_forever

    bundle = load_bundle(directory)
    if bundle.is_package:
        raise UsageError(
            f"{directory} is an npm package: there is no page to serve.",
            f"Install it in an app with `npm install {directory}`, or serve the source it was built from.",
        )
    serve_forever(
        directory,
        host=host,
        port=port,
        announce=lambda server: _announce(server, f"Serving {bundle.name}", open_browser),
    )


def _announce(server: Server, what: str, open_browser: bool) -> None:
    from tfjs_bundle.serve.server import LOOPBACK

    if server.moved:
        click.echo(f"Port {server.asked_port} is busy; taking the next free one.", err=True)
    if server.host not in LOOPBACK:
        click.secho("Everyone who reaches this machine can open the page.", fg="yellow", err=True)
    click.echo(f"{what} at {server.url} (Ctrl-C stops)")
    if open_browser:
        click.launch(server.url)


def _progress(quiet: bool) -> Any:
    from tfjs_bundle.terminal import progress_on_terminal

    return progress_on_terminal(quiet)


def _console(stderr: bool = True) -> Any:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
    click.get_current_context().ensure_object(_Output).printed = True
