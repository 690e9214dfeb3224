"""Building again whenever what was read has changed: options are read anew, failures told and not raised."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfjs_bundle import config as configuration
from tfjs_bundle import pipeline
from tfjs_bundle.cache import Cache, users_cache
from tfjs_bundle.convert.child import Child
from tfjs_bundle.progress import Event, Progress
from tfjs_bundle.serve.compress import compressing
from tfjs_bundle.serve.pages import application
from tfjs_bundle.serve.preview import Preview
from tfjs_bundle.serve.server import Server, start
from tfjs_bundle.serve.watch import Watched, Watcher
from tfjs_bundle.site.templates import templates_directory
from tfjs_bundle.source.identify import SourceFile, identify


@dataclass(frozen=True)
class Attempt:
    """One build of a session, well ended or not.

    Attributes:
        changed: what had changed since the one before; empty for the first.
        seconds: wall-clock.
        result: of a build that succeeded.
        error: why it did not.
        new: whether the pages load again, since the bundle differs from the one before.
        pages: how many pages were open.
        outdated: it failed, and what it read has changed again meanwhile: another build follows at once.
    """

    changed: tuple[Path, ...]
    seconds: float
    result: pipeline.BuildResult | None = None
    error: Exception | None = None
    new: bool = False
    pages: int = 0
    outdated: bool = False


@dataclass(frozen=True)
class Order:
    """What is to be built: a source, the options given, and the configuration file named, if one was.

    ``use_directory`` is as for :func:`tfjs_bundle.config.options`.
    """

    source: Path
    given: Mapping[str, Any]
    config: Path | None = None
    use_directory: bool = True

    def check(self) -> None:
        """Refuse what no change of a file will mend.

        Raises:
            SourceError: there is nothing at ``source``.
            UsageError: the options make no sense.
        """
        if not self.source.exists():
            identify(self.source)
        self.options()

    def options(self) -> configuration.BuildOptions:
        """Read the options as the files have them now.

        Raises:
            UsageError: as :func:`tfjs_bundle.config.options`.
        """
        return configuration.options(self.given, self.config, use_directory=self.use_directory)

    def reads(self) -> list[Watched]:
        """Return everything that a build would read now."""
        model = [self.source]
        if self.source.suffix == ".json":  # of TensorFlow.js, whose shards lie beside it
            model += self.source.parent.glob("*.bin")
        others = [
            *configuration.files(self.given, self.config, use_directory=self.use_directory),
            templates_directory(),
        ]
        return [*(Watched(path, slow=True) for path in model), *(Watched(path) for path in others)]


@dataclass(frozen=True)
class Session:
    """A preview that is served, and what builds for it; see :func:`session`.

    Attributes:
        cache: in place of the user's where that is turned off: a preview builds one model again and again.
    """

    preview: Preview
    server: Server
    child: Child
    cache: Cache

    def run(
        self,
        order: Order,
        watcher: Watcher,
        tell: Callable[[Attempt], None],
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Build, and build again after every change, until ``watcher`` is closed."""
        changed: tuple[Path, ...] = ()
        while True:
            watcher.about_to_read(order.reads())
            tell(self.attempt(order.source, order.options, changed, on_event, watcher.has_news))
            changed = tuple(watcher.wait())
            if not changed:
                return

    def attempt(
        self,
        source: Path | SourceFile,
        options: Callable[[], configuration.BuildOptions],
        changed: tuple[Path, ...] = (),
        on_event: Callable[[Event], None] = lambda event: None,
        has_news: Callable[[], bool] = lambda: False,
    ) -> Attempt:
        """Build once, and let the pages know how it goes; whatever goes wrong is in what is returned.

        Pages are told of no failure of what has been replaced already, as ``has_news`` says.
        """
        preview = self.preview

        def heard(event: Event) -> None:
            if event.kind == "stage":
                preview.building(event.message)
            on_event(event)

        began = time.perf_counter()
        preview.building("Reading the options")
        try:
            output = preview.new_output()
            progress = Progress(heard)
            as_page = dataclasses.replace(options(), format="site")  # a package has nothing to look at
            cache = users_cache(as_page.cache)
            if cache.directory is None:
                cache = self.cache
            result = pipeline.build(source, output, as_page, progress, self.child, cache)
            new = preview.built(output)
        except Exception as error:  # a preview outlives even our own bugs
            outdated = has_news()
            if outdated:
                preview.building("Waiting until the files are written")
            else:
                preview.failed(error)
            seconds = time.perf_counter() - began
            return Attempt(changed, seconds, error=error, pages=preview.followers, outdated=outdated)
        return Attempt(changed, time.perf_counter() - began, result, new=new, pages=preview.followers)


@contextmanager
def session(host: str, port: int) -> Iterator[Session]:
    """Serve a preview that has nothing to show yet, inside a ``with`` block.

    Raises:
        UsageError: as :func:`tfjs_bundle.serve.server.start`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="tfjs-bundle-serve-") as temporary,
        Child() as child,
    ):
        cache = Cache(Path(temporary) / "cache")
        preview = Preview(Path(temporary))
        server = start(compressing(application(preview)), host=host, port=port)
        try:
            yield Session(preview, server, child, cache)
        finally:
            preview.close()  # first: an open stream would keep the server waiting
            server.close()
