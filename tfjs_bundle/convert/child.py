"""The child process in which TensorFlow lives, seen from the caller.

The caller never imports TensorFlow: it sends the name of one of the worker's calls
and plain values, and gets plain values or a :class:`BundleError` back. What
TensorFlow prints goes to a log that is only shown when the child dies of a bug.

Importing this starts nothing and imports little: most rebuilds have a :class:`Child` and never call it.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from tfjs_bundle.errors import BundleError, UnsupportedModelError
from tfjs_bundle.progress import Progress

if TYPE_CHECKING:
    import subprocess

#: Silences what can be silenced, keeps the model on the CPU, and makes float32
#: reference predictions independent of oneDNN's instruction-set dependent kernels.
_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TFDF_DISABLE_WELCOME_MESSAGE": "1",
    "PYTHONWARNINGS": "ignore",
}

_LENGTH = struct.Struct(">Q")


def send(stream: IO[bytes], message: object) -> None:
    """Write one message: its length in 8 bytes, then its pickle."""
    import pickle

    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises:
        EOFError: the other side has gone.
    """
    import pickle

    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301  from our own child, never from a file


def _current_directory() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed: whoever is there has no relative paths to give
        return None


class Child:
    """A process with TensorFlow in it; starts at the first call and may serve many builds.

    Args:
        progress: gets the child's steps and warnings.
        limit: resident memory in bytes above which the child is restarted between builds.
    """

    def __init__(self, progress: Progress | None = None, limit: int = 4 << 30) -> None:
        self.progress = progress or Progress()
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process else None

    def call(self, name: str, *arguments: object) -> Any:
        """Run the worker's call ``name`` with ``arguments`` and return its result.

        Raises:
            BundleError: the call refused.
            RuntimeError: a bug of ours; the message carries the child's traceback.
        """
        process = self._start()
        assert process.stdin
        assert process.stdout
        try:
            send(process.stdin, (_current_directory(), name, arguments))
            while True:
                kind, value = receive(process.stdout)
                if kind == "step":
                    self.progress.step(value)
                elif kind == "warning":
                    self.progress.warn(value)
                else:
                    break
        except (EOFError, BrokenPipeError):
            raise self._died() from None
        except BaseException:  # interrupted in the middle of an exchange: the pipe is of no more use
            self.close()
            raise
        if kind == "refused":
            assert isinstance(value, BundleError)
            raise value
        if kind == "bug":
            raise RuntimeError(f"`{name}` failed in the TensorFlow process:\n{value}")
        return value

    def release(self) -> None:
        """Forget the models read so far; restart the child if it has grown beyond its limit."""
        if self._process and self.call("release") > self._limit:
            self.close()

    def interrupt(self) -> None:
        """Make a call that another thread waits for end at once, with an error."""
        process = self._process
        if process:
            process.kill()

    def close(self) -> None:
        """End the child process, if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            try:
                if stream:
                    stream.close()
            except BrokenPipeError:
                pass
        process.kill()  # it holds nothing worth a clean shutdown, and TensorFlow's is slow
        process.wait()
        if self._log:
            self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process:
            return self._process
        import subprocess

        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tfjs_bundle.convert.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
        )
        return self._process

    def _died(self) -> BundleError:
        process, log = self._process, self._log
        assert process
        assert log
        code = process.wait()
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - 2000))
        tail = log.read().decode(errors="replace").strip()
        self.close()
        if code == -9:
            return UnsupportedModelError(
                "The TensorFlow process was killed, most likely for want of memory.",
                "Close other programs, or build on a machine with more memory.",
            )
        return UnsupportedModelError(
            f"The TensorFlow process ended with code {code}. Its last words:\n{tail}",
            "If the model works in Keras on this machine, this is a bug of tfjs-bundle: please report it.",
        )
