"""Every refusal of tfjs-bundle: one class per exit code.

A message says what happened, where, and what to do next. The command line
prints ``str(error)`` and exits with ``error.exit_code``; a traceback is only
ever shown for a bug of ours.
"""

from __future__ import annotations


class BundleError(Exception):
    """Base class of every refusal.

    Args:
        what: what happened and where, one sentence.
        cure: what the user can do about it, one sentence; may be empty.
    """

    exit_code = 1

    def __init__(self, what: str, cure: str = "") -> None:
        self.what = what
        self.cure = cure
        super().__init__(f"{what}\n{cure}" if cure else what)

    def __reduce__(
        self,
    ) -> tuple[type[BundleError], tuple[str, str]]:  # the two parts survive the pipe from the child process
        return type(self), (self.what, self.cure)


class UsageError(BundleError):
    """The command, an option or the configuration makes no sense (exit code 2)."""

    exit_code = 2


class SourceError(BundleError):
    """The source cannot be read (exit code 3)."""

    exit_code = 3


class UnsupportedModelError(BundleError):
    """The model has something that cannot run in the browser (exit code 4)."""

    exit_code = 4


class ParityError(BundleError):
    """The browser's numbers are not Keras's (exit code 5)."""

    exit_code = 5


class OutputError(BundleError):
    """The output cannot be written (exit code 6)."""

    exit_code = 6


class BrowserError(BundleError):
    """The browser is missing, died, or has none of the backends asked for (exit code 7)."""

    exit_code = 7


class MissingBrowserError(BrowserError):
    """No browser can be started here; where nobody asked for one, that is a warning."""
