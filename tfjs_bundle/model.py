"""What a build makes of its source whatever the page looks like: what a later build may find in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfjs_bundle.pack import Packed
from tfjs_bundle.records import Later

if TYPE_CHECKING:
    from tfjs_bundle.compress.budget import Tradeoff
    from tfjs_bundle.compress.cost import Cost
    from tfjs_bundle.verify.reference import Reference


@dataclass(frozen=True)
class Model:
    """A model that is ready to be put on a page and to be verified.

    Attributes:
        packed: as files.
        reference: what the weights that the bundle carries give.
        cost: what compression made of the source's outputs; ``None`` where nothing was compressed.
        tradeoff: what was tried, where the weights were to be looked for.
        warnings: sentences, in the order they arose.
    """

    packed: Packed
    reference: Later[Reference]
    cost: Cost | None
    tradeoff: Tradeoff | None
    warnings: tuple[str, ...]
