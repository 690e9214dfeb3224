"""For training: a Keras callback that shows the model in a preview whenever it has got better.

Needs Keras 3 on any backend in the caller's process; TensorFlow converts in a process of its own.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import keras

from tfjs_bundle.errors import BundleError

if TYPE_CHECKING:
    from tfjs_bundle.serve.live import LivePreview

#: Words in the names of metrics that are better when larger, where Keras itself does not say.
_BETTER_WHEN_LARGER = ("acc", "auc", "precision", "recall", "f1", "iou", "r2", "dice")


class PreviewCallback(keras.callbacks.Callback):
    """Builds the model after every epoch in which the monitored metric got better; the open page loads it.

    The model is saved while training waits, which takes as long as ``model.save``; the build happens in the
    background, and where epochs are faster than builds only the newest model is built. What fails is a
    warning and is shown in the page; training goes on. The page stays until :meth:`close` or the end of the
    process.

    Args:
        monitor: the metric, as in ``keras.callbacks.ModelCheckpoint``; where there is no validation data,
            the default ``"val_loss"`` stands for ``"loss"``. Without such a metric every epoch counts.
        mode: ``"auto"``, ``"min"`` or ``"max"``, as there.
        initial_value_threshold: what the first value must be better than, as there.
        verbose: 1 says where the page is when training starts, and in a notebook shows it; 0 does not.
        host, port: where to listen; port 0 takes any free one.
        height: of the page in a notebook, in pixels.
        verify: compare with Keras in Chromium too; off by default, for training needs the processor.
        **options: those of :func:`tfjs_bundle.build`.

    Attributes:
        preview: the :class:`~tfjs_bundle.serve.live.LivePreview`.

    Raises:
        BundleError: an option makes no sense.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        *,
        initial_value_threshold: float | None = None,
        verbose: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        height: int = 640,
        verify: bool | None = False,
        **options: Any,
    ) -> None:
        from tfjs_bundle.serve.live import LivePreview

        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', not {mode!r}.")
        self.monitor, self.mode, self.verbose = monitor, mode, verbose
        self.best = initial_value_threshold
        self._warned = False
        self.preview: LivePreview = LivePreview(
            host=host, port=port, height=height, config=None, options={**options, "verify": verify}
        )

    @property
    def url(self) -> str:
        """The address of the page."""
        return self.preview.url

    def close(self) -> None:
        """Stop serving the page."""
        self.preview.close()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Say where the page is."""
        if not self.verbose:
            return
        notebook = sys.modules.get("IPython")
        shell = notebook.get_ipython() if notebook else None
        if shell is not None and hasattr(shell, "kernel"):
            from IPython.display import display

            display(self.preview)
        else:
            print(f"Preview at {self.url}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Build if the metric got better."""
        if not self._is_better(logs or {}):
            return
        try:
            self.preview.show(self.model)
        except (BundleError, OSError) as error:
            warnings.warn(f"The preview of epoch {epoch + 1} was not built. {error}", stacklevel=2)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Wait until the page shows the best model."""
        try:
            self.preview.wait()
        except Exception as error:  # whatever it is, the training was a success
            warnings.warn(f"The last preview was not built. {error}", stacklevel=2)

    def _is_better(self, logs: dict[str, Any]) -> bool:
        name = self.monitor
        if name == "val_loss" and name not in logs:
            name = "loss"
        if name not in logs:
            if not self._warned:
                self._warned = True
                there = ", ".join(sorted(logs)) or "none"
                warnings.warn(
                    f"There is no metric {name!r} (there is {there}); every epoch is shown.", stacklevel=3
                )
            return True
        value = float(logs[name])
        if self.best is not None and not (value > self.best if self._larger(name) else value < self.best):
            return False
        self.best = value
        return True

    def _larger(self, name: str) -> bool:
        """Tell whether the metric is better when it is larger, as Keras's own metrics say of themselves."""
        if self.mode != "auto":
            return self.mode == "max"
        plain = name.removeprefix("val_")
        for metric in self.model.metrics:
            for each in (metric, *getattr(metric, "metrics", ())):
                direction = getattr(each, "_direction", None)
                if getattr(each, "name", None) == plain and direction:
                    return direction == "up"
        return any(word in plain.lower() for word in _BETTER_WHEN_LARGER)
