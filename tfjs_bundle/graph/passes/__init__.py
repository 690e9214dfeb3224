"""Graph passes: functions ``GraphModel -> GraphModel``, one file each, named verb-object.

Each says what it requires and what it leaves. A pass keeps the names of the tensors that others use.
"""

from __future__ import annotations

from collections.abc import Callable

from tfjs_bundle.graph.ir import GraphModel
from tfjs_bundle.graph.passes.align_vectors import align_vectors
from tfjs_bundle.graph.passes.broadcast_products import broadcast_products
from tfjs_bundle.graph.passes.bypass_identities import bypass_identities
from tfjs_bundle.graph.passes.cast_bool_reverse import cast_bool_reverse
from tfjs_bundle.graph.passes.drop_ensure_shape import drop_ensure_shape
from tfjs_bundle.graph.passes.fold_axes import fold_axes
from tfjs_bundle.graph.passes.fold_batch_norm import fold_batch_norm
from tfjs_bundle.graph.passes.fold_constants import fold_constants
from tfjs_bundle.graph.passes.fold_known_values import fold_known_values
from tfjs_bundle.graph.passes.fold_shapes import fold_shapes
from tfjs_bundle.graph.passes.fuse_bias_activation import fuse_bias_activation
from tfjs_bundle.graph.passes.lower_arg_extremes import lower_arg_extremes
from tfjs_bundle.graph.passes.lower_arithmetic import lower_arithmetic
from tfjs_bundle.graph.passes.lower_batched_gathers import lower_batched_gathers
from tfjs_bundle.graph.passes.lower_bias_add import lower_bias_add
from tfjs_bundle.graph.passes.lower_bool_kernels import lower_bool_kernels
from tfjs_bundle.graph.passes.lower_bucketize import lower_bucketize
from tfjs_bundle.graph.passes.lower_channels_first import lower_channels_first
from tfjs_bundle.graph.passes.lower_color_spaces import lower_color_spaces
from tfjs_bundle.graph.passes.lower_crop_and_resize import lower_crop_and_resize
from tfjs_bundle.graph.passes.lower_cross_products import lower_cross_products
from tfjs_bundle.graph.passes.lower_cumulative import lower_cumulative
from tfjs_bundle.graph.passes.lower_dense_bincount import lower_dense_bincount
from tfjs_bundle.graph.passes.lower_diagonals import lower_diagonals
from tfjs_bundle.graph.passes.lower_dynamic_update_slice import lower_dynamic_update_slice
from tfjs_bundle.graph.passes.lower_einsum import lower_einsum
from tfjs_bundle.graph.passes.lower_erfc import lower_erfc
from tfjs_bundle.graph.passes.lower_floor_mod import lower_floor_mod
from tfjs_bundle.graph.passes.lower_fourier_transforms import lower_fourier_transforms
from tfjs_bundle.graph.passes.lower_image_patches import lower_image_patches
from tfjs_bundle.graph.passes.lower_matrix_band_part import lower_matrix_band_part
from tfjs_bundle.graph.passes.lower_max_pool3d import lower_max_pool3d
from tfjs_bundle.graph.passes.lower_one_hot import lower_one_hot
from tfjs_bundle.graph.passes.lower_padded_sizes import lower_padded_sizes
from tfjs_bundle.graph.passes.lower_products import lower_products
from tfjs_bundle.graph.passes.lower_projective_transforms import lower_projective_transforms
from tfjs_bundle.graph.passes.lower_quantized_matmul import lower_quantized_matmul
from tfjs_bundle.graph.passes.lower_resizing import lower_resizing
from tfjs_bundle.graph.passes.lower_rotations import lower_rotations
from tfjs_bundle.graph.passes.lower_scatters import lower_scatters
from tfjs_bundle.graph.passes.lower_signbits import lower_signbits
from tfjs_bundle.graph.passes.lower_sines import lower_sines
from tfjs_bundle.graph.passes.lower_softsign import lower_softsign
from tfjs_bundle.graph.passes.lower_space_to_depth import lower_space_to_depth
from tfjs_bundle.graph.passes.lower_stateless_random import lower_stateless_random
from tfjs_bundle.graph.passes.lower_strided_slices import lower_strided_slices
from tfjs_bundle.graph.passes.lower_transposed_convolutions import lower_transposed_convolutions
from tfjs_bundle.graph.passes.merge_common_subexpressions import merge_common_subexpressions
from tfjs_bundle.graph.passes.merge_pads import merge_pads
from tfjs_bundle.graph.passes.merge_step_products import merge_step_products
from tfjs_bundle.graph.passes.narrow_casts import narrow_casts
from tfjs_bundle.graph.passes.remove_no_ops import remove_no_ops
from tfjs_bundle.graph.passes.remove_unused import remove_unused
from tfjs_bundle.graph.passes.return_list_items import return_list_items
from tfjs_bundle.graph.passes.simplify_activations import simplify_activations
from tfjs_bundle.graph.passes.simplify_normalizations import simplify_normalizations
from tfjs_bundle.graph.passes.split_add_n import split_add_n
from tfjs_bundle.graph.passes.split_dilated_batches import split_dilated_batches
from tfjs_bundle.graph.passes.split_grouped_convolutions import split_grouped_convolutions
from tfjs_bundle.graph.passes.unroll_loops import unroll_loops

#: In order: what TF.js lacks is lowered first, dead nodes go last.
LOWERING = (
    unroll_loops,
    fold_known_values,
    lower_einsum,
    lower_erfc,
    lower_softsign,
    lower_matrix_band_part,
    lower_stateless_random,
    lower_dynamic_update_slice,
    lower_quantized_matmul,
    lower_arithmetic,
    lower_sines,
    lower_floor_mod,
    lower_padded_sizes,
    lower_channels_first,
    split_grouped_convolutions,
    lower_bias_add,
    lower_transposed_convolutions,
    drop_ensure_shape,
    lower_resizing,
    lower_projective_transforms,
    lower_crop_and_resize,
    lower_color_spaces,
    lower_image_patches,
    lower_batched_gathers,
    broadcast_products,
    lower_fourier_transforms,
    lower_max_pool3d,
    lower_products,
    lower_scatters,
    lower_rotations,
    lower_cross_products,
    lower_space_to_depth,
    lower_diagonals,
    lower_dense_bincount,
    lower_arg_extremes,
    align_vectors,
    lower_one_hot,
    lower_bucketize,
    lower_strided_slices,
    lower_signbits,
    split_dilated_batches,
    fold_axes,
    lower_cumulative,
    cast_bool_reverse,
    lower_bool_kernels,
    narrow_casts,
    bypass_identities,
    return_list_items,
    remove_unused,
)

#: In order: what costs time or bytes and need not; every number stays what it was.
OPTIMIZING: tuple[Callable[[GraphModel], GraphModel], ...] = (
    fold_shapes,
    fold_constants,
    merge_common_subexpressions,
    remove_no_ops,
    merge_step_products,
    simplify_activations,
    simplify_normalizations,
    split_add_n,
    fold_batch_norm,
    merge_pads,
    fuse_bias_activation,
)


def lower(graph: GraphModel) -> GraphModel:
    """Rewrite what TF.js lacks, or gets wrong, into what every backend has."""
    for run in LOWERING:
        graph = run(graph)
    return graph


def optimize(graph: GraphModel) -> GraphModel:
    """Rewrite a lowered graph into one that computes the same with less work."""
    for run in OPTIMIZING:
        graph = remove_unused(run(graph))  # a node that nothing needs looks like a user of others
    return graph
