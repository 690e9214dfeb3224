"""Turn a Keras model into a static web bundle that predicts, offline, what Keras predicts.

import tfjs_bundle
tfjs_bundle.build(model, "dist")
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The packages of these names first: importing them later would put them where the functions are.
import tfjs_bundle.serve
import tfjs_bundle.verify  # noqa: F401
from tfjs_bundle.bundle import Bundle, load_bundle
from tfjs_bundle.errors import BundleError

if TYPE_CHECKING:
    from tfjs_bundle.progress import Event
    from tfjs_bundle.serve.live import LivePreview
    from tfjs_bundle.source.identify import SourceFile
    from tfjs_bundle.verify.report import ParityReport

#: Written here, since asking the installed package takes a tenth of a rebuild.
__version__ = "0.1.0"

__all__ = ["build", "verify", "serve", "preview", "load_bundle", "Bundle", "BundleError"]


def build(
    model_or_path: Any,
    output: str | os.PathLike[str],
    *,
    verify: bool | None = True,
    config: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Bundle:
    """Build a bundle.

    Args:
        model_or_path: a ``keras.Model``, or the path of a ``.keras`` or ``.h5`` file, a SavedModel
            directory or a TF.js ``model.json``.
        output: the directory to write; a bundle that stands there is replaced when all went well.
        verify: compare with Keras in Chromium; ``None`` does so only where there is a browser.
        config: a ``tfjs-bundle.toml``; unlike the command line, nothing is read unless it is named.
        on_event: gets :class:`tfjs_bundle.progress.Event` values while the build runs.
        **options: those of the command line, by the same names with ``_`` for ``-``
            (:class:`tfjs_bundle.config.BuildOptions`).

    Returns:
        The bundle as published, with its ``directory``.

    Raises:
        BundleError: the model, an option, the browser or the output is at fault; ``output`` is as it was.
    """
    import tempfile

    from tfjs_bundle import config as configuration
    from tfjs_bundle import pipeline
    from tfjs_bundle.cache import users_cache
    from tfjs_bundle.convert.child import Child
    from tfjs_bundle.progress import Progress

    merged = configuration.options(
        {**options, "verify": verify}, Path(config) if config else None, use_directory=False
    )
    progress = Progress(on_event)
    with tempfile.TemporaryDirectory(prefix="tfjs-bundle-model-") as temporary, Child(progress) as child:
        if isinstance(model_or_path, (str, os.PathLike)):
            source: Path | SourceFile = Path(model_or_path)
        else:
            from tfjs_bundle.source.in_memory import save_for_child

            source = save_for_child(model_or_path, temporary)
        cache = users_cache(merged.cache)
        return pipeline.build(source, Path(output), merged, progress, child, cache).bundle


def verify(
    bundle: str | os.PathLike[str],
    *,
    against: str | os.PathLike[str] | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> ParityReport:
    """Compare a bundle's predictions in Chromium with its golden cases, or with its source.

    Args:
        bundle: the bundle's directory, or the address it is served at.
        against: the source to compare with; without it the golden cases of the bundle are run.
        **options: ``backends``, ``data``, and the reading options of :func:`build`.

    Raises:
        ParityError: the numbers are not equal within atol 1e-4 and rtol 1e-4.
        BundleError: the bundle, the source or the browser is at fault.
    """
    from tfjs_bundle import config as configuration
    from tfjs_bundle import pipeline
    from tfjs_bundle.progress import Progress

    merged = configuration.options(options, None, use_directory=False)
    report = pipeline.verify(str(bundle), Path(against) if against else None, merged, Progress(on_event))
    report.raise_if_failed()
    report.raise_if_nothing_ran()
    return report


def serve(
    bundle: str | os.PathLike[str], *, host: str = "127.0.0.1", port: int = 8000, open: bool = False
) -> None:
    """Serve a bundle's directory until interrupted.

    Raises:
        SourceError: it is not a bundle.
    """
    import webbrowser

    from tfjs_bundle.serve.server import Server, serve_forever

    load_bundle(Path(bundle))

    def announce(server: Server) -> None:
        if open:
            webbrowser.open(server.url)

    serve_forever(Path(bundle), host=host, port=port, announce=announce)


def preview(
    model_or_path: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    height: int = 640,
    config: str | os.PathLike[str] | None = None,
    **options: Any,
) -> LivePreview:
    """Show a model's page while you work on the model; in a notebook, the value shows the page itself.

    Returns at once: the page appears when the first build is done, and says so where that fails. A file is
    built again whenever it changes; a model in memory when it is given to ``show`` of what is returned.

    Args:
        model_or_path: as for :func:`build`.
        port: the port to listen on; 0 takes any free one.
        height: of the page in a notebook, in pixels.
        config, options: as for :func:`build`; read anew for every build.

    Returns:
        The preview, with its ``url``, ``show(model)``, ``wait()`` and ``close()``.

    Raises:
        BundleError: an option makes no sense, there is no such file, or the model cannot be saved.
    """
    from tfjs_bundle.serve.live import LivePreview

    live = LivePreview(
        host=host, port=port, config=Path(config) if config else None, options=options, height=height
    )
    try:
        if isinstance(model_or_path, (str, os.PathLike)):
            live.watch(model_or_path)
        else:
            live.show(model_or_path)
    except BaseException:
        live.close()
        raise
    return live
