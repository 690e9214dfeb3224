"""Reading what Keras 2 wrote and Keras 3 refuses, with tf_keras (in the child process)."""

from __future__ import annotations

from typing import Any

from tfjs_bundle.source.identify import SourceFile
from tfjs_bundle.source.keras3 import Refused
from tfjs_bundle.source.model import SourceModel


def may_read(file: SourceFile) -> bool:
    """Say whether tf_keras could read ``file``: it cannot read what Keras 3 wrote."""
    return False


def read(file: SourceFile, custom_objects: dict[str, Any], refused: Refused, *, unsafe: bool = False) -> SourceModel:
    raise refused.as_source_error()
