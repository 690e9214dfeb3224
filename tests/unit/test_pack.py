"""The model's part of a bundle, written to the workspace."""

from __future__ import annotations

import numpy as np
import pytest

from tfjs_bundle import pack
from tfjs_bundle.errors import OutputError
from tfjs_bundle.graph.ir import GraphModel, Signature
from tfjs_bundle.graph.passes.rewriting import constant

resource = pytest.importorskip("resource", reason="this system has no limits to set")


def test_a_workspace_that_is_full_is_one_clear_message(tmp_path):
    graph = GraphModel([constant("w", np.zeros(4096, np.float32))], Signature((), ()))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))  # no file may become larger
    try:
        with pytest.raises(OutputError, match="The weights cannot be written to") as refusal:
            pack.pack(graph, None, None, 1 << 20, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(tmp_path) in refusal.value.what
    assert "TMPDIR" in refusal.value.cure
