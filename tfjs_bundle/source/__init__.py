"""What a source is (:mod:`.identify`, in the caller) and reading it (the rest, in the child process).

Importing this package imports neither TensorFlow nor Keras.
"""

from tfjs_bundle.source.identify import SourceFile, identify

__all__ = ["SourceFile", "identify"]
