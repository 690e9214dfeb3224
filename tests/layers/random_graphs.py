"""Random graph models, seeded: what passes look for, in places where it may not be taken for what it is.

A graph has one or two inputs, a batch of unknown size, and nodes as Keras's traces have them: convolutions,
dense layers and what follows them, activations and normalizations spelled out, pads, residuals, shape
arithmetic. Tensors are used by several nodes, and any of them may be an output too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfjs_bundle.graph.ir import GraphModel, Node, Signature, TensorSpec
from tfjs_bundle.graph.passes.rewriting import constant

#: A tensor's sizes without the batch.
Shape = tuple[int, ...]

#: No tensor grows beyond so many values per example.
LARGEST = 2000

BATCH = 3


def random_graph(seed: int, steps: int | None = None) -> GraphModel:
    """Return the graph of ``seed``, or that of its first ``steps`` steps, to shrink what failed."""
    draw = random.Random(seed)
    maker = _Maker(draw)
    for index in range(draw.choice((1, 1, 1, 2))):
        maker.add_input(f"x{index}", draw.choice(((8, 8, 3), (5, 7, 4), (6, 4), (5,), (8,))))
    count = draw.randint(3, 25)
    for _ in range(count if steps is None else min(steps, count)):
        maker.step()
    return maker.graph()


def random_inputs(graph: GraphModel, seed: int) -> list[np.ndarray]:
    """Return a batch for ``graph``: values around zero, zeros of both signs, and large ones."""
    numbers = np.random.default_rng(seed)
    made = []
    for spec in graph.signature.inputs:
        value = numbers.normal(0, 2, (BATCH, *(spec.shape or ())[1:])).astype(np.float32)
        flat = value.reshape(-1)
        flat[numbers.integers(0, flat.size, 4)] = (0.0, -0.0, 30.0, -30.0)
        made.append(value)
    return made


class _Maker:
    """A graph as it grows."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._numbers = np.random.default_rng(draw.getrandbits(32))
        self._nodes: list[Node] = []
        self._shapes: dict[str, tuple[int | None, ...]] = {}
        self._inputs: list[TensorSpec] = []
        self._tensors: list[tuple[str, Shape]] = []  # what a step may start from
        self._uses: dict[str, int] = {}

    # --- parts of nodes ---

    def add_input(self, name: str, shape: Shape) -> None:
        sizes = (None, *shape)
        dims = [{"size": str(-1 if size is None else size)} for size in sizes]
        attrs: dict[str, Any] = {"dtype": {"type": "DT_FLOAT"}, "shape": {"shape": {"dim": dims}}}
        self._nodes.append(Node(name, "Placeholder", attrs=attrs))
        self._shapes[name] = sizes
        self._inputs.append(TensorSpec(name, sizes, "float32", "float32", f"{name}:0"))
        self._tensors.append((name, shape))

    def const(self, value: Any) -> str:
        name = f"c{len(self._nodes)}"
        array = np.asarray(value)
        self._nodes.append(constant(name, array))
        self._shapes[name] = array.shape
        return name

    def op(
        self, op: str, inputs: Sequence[str], shape: Shape | None, dtype: str = "DT_FLOAT", **attrs: Any
    ) -> str:
        """Add a node; ``shape`` is without batch, ``None`` for what is no batch at all."""
        name = f"{op}_{len(self._nodes)}"
        self._nodes.append(Node(name, op, list(inputs), {"T": {"type": dtype}, **attrs}))
        if shape is not None:
            self._shapes[name] = (None, *shape)
        for tensor in inputs:
            self._uses[tensor] = self._uses.get(tensor, 0) + 1
        return name

    def unary(self, op: str, x: str, shape: Shape) -> str:
        return self.op(op, [x], shape)

    def binary(self, op: str, x: str, y: str, shape: Shape) -> str:
        """Add a node of two operands in either order, where the order does not matter."""
        swap = op in ("AddV2", "Mul", "Maximum", "Minimum") and self._draw.random() < 0.5
        return self.op(op, [y, x] if swap else [x, y], shape)

    def floats(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return (self._numbers.normal(0, scale, shape)).astype(np.float32)

    def number(self, value: float) -> str:
        return self.const(np.float32(value))

    # --- steps ---

    def step(self) -> None:
        # the newest tensor mostly, so that chains come about; any other too, so that they are shared
        x, shape = self._tensors[
            -1 if self._draw.random() < 0.7 else self._draw.randrange(len(self._tensors))
        ]
        made = self._draw.choice(self._kinds(len(shape)))(x, shape)
        if made is not None and int(np.prod(made[1])) <= LARGEST:
            self._tensors.append(made)

    def _kinds(self, rank: int) -> list[Callable[[str, Shape], tuple[str, Shape] | None]]:
        """Return what fits a tensor of ``rank`` axes beside the batch; likelier ones several times."""
        layers: dict[int, list[Callable[[str, Shape], tuple[str, Shape] | None]]] = {
            1: [self._dense] * 4,
            2: [self._batched_product, self._transposed_twice, self._recurrent],
            3: [
                *[self._convolution] * 4,
                *[self._depthwise] * 2,
                *[self._batch_norm] * 2,
                *(self._padded, self._pooled, self._squeezed),
            ],
        }
        return [
            *layers[rank],
            *[self._activation] * 2,
            *(self._elementwise, self._affine, self._merged, self._neutral),
            *(self._reshaped, self._normalized, self._twice, self._reduced),
        ]

    def _elementwise(self, x: str, shape: Shape) -> tuple[str, Shape]:
        op = self._draw.choice(
            ("Relu", "Tanh", "Sigmoid", "Neg", "Square", "Abs", "Elu", "Softplus", "Relu6")
        )
        if op == "Square":
            x = self.unary("Tanh", x, shape)
        return self.unary(op, x, shape), shape

    def _activation(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """Add an activation as Keras spells it out, and now and then nearly one."""
        draw = self._draw
        kind = draw.choice(
            (
                "swish",
                "gelu",
                "gelu_tanh",
                "hard_swish",
                "hard_sigmoid",
                "leaky",
                "prelu",
                "relu6",
                "hard_tanh",
            )
        )

        def near(value: float) -> str:
            return self.number(value if draw.random() < 0.8 else value * 1.5)

        def other() -> str:
            """The same tensor, or now and then another one of its shape."""
            same = [name for name, its in self._tensors if its == shape]
            return x if draw.random() < 0.8 or not same else draw.choice(same)

        def binary(op: str, a: str, b: str) -> str:
            return self.binary(op, a, b, shape)

        if kind == "swish":
            return binary("Mul", x, self.unary("Sigmoid", other(), shape)), shape
        if kind == "gelu":
            scaled = binary("Mul", self.unary("Neg", other(), shape), near(0.5**0.5))
            erfc = self.binary("Sub", near(1), self.unary("Erf", scaled, shape), shape)
            return binary("Mul", binary("Mul", near(0.5), x), erfc), shape
        if kind == "gelu_tanh":
            cube = self.op("Pow", [other(), near(3)], shape)
            inner = binary("AddV2", x, binary("Mul", near(0.044715), cube))
            bent = self.unary("Tanh", binary("Mul", near((2 / np.pi) ** 0.5), inner), shape)
            return binary("Mul", binary("Mul", near(0.5), x), binary("AddV2", near(1), bent)), shape
        if kind in ("hard_swish", "hard_sigmoid"):
            bent = self.unary("Relu6", binary("AddV2", other(), near(3)), shape)
            bent = binary("Mul", bent, near(1 / 6))
            return (binary("Mul", x, bent) if kind == "hard_swish" else bent), shape
        if kind == "leaky":
            return binary(
                "Maximum", x, binary("Mul", other(), self.number(draw.choice((0.1, 0.3, 1.0, 2.0, -0.5))))
            ), shape
        if kind == "prelu":
            sizes = draw.choice((shape, shape[-1:], (1, *shape[1:])))
            slopes = self.const(self.floats(*sizes))
            below = self.unary("Relu", self.unary("Neg", other(), shape), shape)
            return binary("AddV2", self.unary("Relu", x, shape), binary("Mul", slopes, below)), shape
        if kind == "relu6":
            return binary("Minimum", self.unary("Relu", x, shape), near(6)), shape
        return binary("Maximum", binary("Minimum", x, near(1)), near(-1)), shape

    def _affine(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """Add a constant, or multiply by one: of one channel's size, of one number, of all."""
        sizes = self._draw.choice((shape[-1:], shape[-1:], (), shape, (1,) * len(shape) + shape[-1:]))
        op = self._draw.choice(("AddV2", "Mul", "Sub", "BiasAdd"))
        if op == "BiasAdd":
            return self.op("BiasAdd", [x, self.const(self.floats(shape[-1]))], shape), shape
        made = self.binary(op, x, self.const(self.floats(*sizes)), shape)
        return made, shape

    def _neutral(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """Add what changes nothing, or nearly nothing."""
        draw = self._draw
        kind = draw.choice(("identity", "one", "zero", "reshape", "pad", "cast", "transposes", "divide"))
        if kind == "identity":
            return self.unary(draw.choice(("Identity", "StopGradient")), x, shape), shape
        if kind == "one":
            return self.binary("Mul", x, self.number(draw.choice((1.0, 1.0, -1.0))), shape), shape
        if kind == "zero":
            return self.binary("AddV2", x, self.number(draw.choice((0.0, -0.0))), shape), shape
        if kind == "divide":
            return self.op("RealDiv", [x, self.number(draw.choice((1.0, 3.0)))], shape), shape
        if kind == "reshape":
            return self._to_shape(x, shape, shape), shape
        if kind == "pad":
            return self.op(
                "Pad", [x, self.const(np.zeros((1 + len(shape), 2), np.int32))], shape, Tpaddings=_INT
            ), shape
        if kind == "cast":
            return self.op("Cast", [x], shape, SrcT=_FLOAT, DstT=_FLOAT), shape
        return self._transposed(self._transposed(x, shape)[0], shape[::-1]) if len(shape) > 1 else (x, shape)

    def _transposed(self, x: str, shape: Shape) -> tuple[str, Shape]:
        order = self.const(np.array([0, *range(len(shape), 0, -1)], np.int32))
        return self.op("Transpose", [x, order], shape[::-1], Tperm=_INT), shape[::-1]

    def _transposed_twice(self, x: str, shape: Shape) -> tuple[str, Shape]:
        once = self._transposed(x, shape)
        self._tensors.append(once)
        return (
            self._transposed(*self._elementwise(*once))
            if self._draw.random() < 0.5
            else self._transposed(*once)
        )

    def _reshaped(self, x: str, shape: Shape) -> tuple[str, Shape] | None:
        total = int(np.prod(shape))
        wanted = self._draw.choice(
            [(total,)] + ([(total // 2, 2), (1, 1, total)] if total % 2 == 0 else []) + [(1, total), shape]
        )
        return self._to_shape(x, shape, wanted), wanted

    def _to_shape(self, x: str, shape: Shape, wanted: Shape) -> str:
        """Reshape by a constant, or by what a layer computes of the batch."""
        sizes: str
        if self._draw.random() < 0.4:
            sizes = self.const(np.array([-1, *wanted], np.int32))
        else:
            whole = self.op("Shape", [x], None, out_type=_INT)
            self._shapes[whole] = (1 + len(shape),)
            bounds = [self.const(np.array([each], np.int32)) for each in (0, 1, 1)]
            masks = {"begin": 0, "end": 0, "ellipsis": 0, "new_axis": 0, "shrink_axis": 1}
            batch = self.op(
                "StridedSlice",
                [whole, *bounds],
                None,
                "DT_INT32",
                Index=_INT,
                **{f"{name}_mask": {"i": str(value)} for name, value in masks.items()},
            )
            self._shapes[batch] = ()
            parts = [batch, *(self.const(np.int32(size)) for size in wanted)]
            sizes = self.op("Pack", parts, None, "DT_INT32", N={"i": str(len(parts))}, axis={"i": "0"})
            self._shapes[sizes] = (len(parts),)
        return self.op("Reshape", [x, sizes], wanted, Tshape=_INT)

    def _merged(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """A residual: one, or several by AddN as grappler makes it."""
        same = [name for name, its in self._tensors if its == shape]
        if self._draw.random() < 0.4:
            parts = [x, *(self._draw.choice(same) for _ in range(self._draw.randint(1, 3)))]
            return self.op("AddN", parts, shape, N={"i": str(len(parts))}), shape
        op = self._draw.choice(("AddV2", "AddV2", "Mul", "Sub", "Maximum"))
        y = self._draw.choice(same)
        if op == "Mul":
            y = self.unary("Tanh", y, shape)
        return self.op(op, [x, y], shape), shape

    def _twice(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """The same computation twice, with constants of its own each time."""
        value = self.floats(shape[-1])
        first, second = (
            self.unary("Tanh", self.op("AddV2", [x, self.const(value.copy())], shape), shape)
            for _ in range(2)
        )
        return self.op("Mul", [first, second], shape), shape

    def _reduced(self, x: str, shape: Shape) -> tuple[str, Shape] | None:
        if len(shape) < 2:
            return None
        axes = list(range(1, len(shape)))
        keep = self._draw.random() < 0.5
        made = (1,) * (len(shape) - 1) + shape[-1:] if keep else shape[-1:]
        indices = self.const(np.array(axes, np.int32))
        return self.op(
            self._draw.choice(("Mean", "Max", "Sum")), [x, indices], made, Tidx=_INT, keep_dims={"b": keep}
        ), made

    def _normalized(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """Layer normalization as Keras writes it, or RMS normalization."""
        draw = self._draw
        axis = self.const(np.array([draw.choice((-1, len(shape)))], np.int32))
        narrow = (*shape[:-1], 1)

        def mean(y: str) -> str:
            return self.op("Mean", [y, axis], narrow, Tidx=_INT, keep_dims={"b": True})

        gamma, beta = (self.const(self.floats(*(1,) * len(shape), shape[-1])) for _ in range(2))
        epsilon = self.number(draw.choice((1e-3, 1e-3, 1e-5)))
        if draw.random() < 0.4:
            power = self.binary("AddV2", mean(self.unary("Square", x, shape)), epsilon, narrow)
            return self.binary(
                "Mul", x, self.binary("Mul", gamma, self.unary("Rsqrt", power, narrow), shape), shape
            ), shape
        middle = mean(x)
        away = self.unary("Neg", middle, narrow)
        variance = mean(self.op("SquaredDifference", [x, middle], shape))
        scale = self.unary("Rsqrt", self.binary("AddV2", variance, epsilon, narrow), narrow)
        if draw.random() < 0.8:
            scale = self.binary("Mul", scale, gamma, shape)
        wide = shape if self._shapes[scale][1:] == shape else narrow
        offset = self.binary("Mul", away, scale, wide)
        if draw.random() < 0.8:
            offset = self.binary("AddV2", offset, beta, shape)
        return self.binary("AddV2", self.binary("Mul", x, scale, shape), offset, shape), shape

    # --- layers with weights ---

    def _dense(self, x: str, shape: Shape) -> tuple[str, Shape]:
        units = self._draw.choice((4, 5, 8))
        if self._draw.random() < 0.3:  # weights that are computed: of another shape, transposed, scaled
            kernel = self.const(self.floats(units * shape[0], scale=shape[0] ** -0.5))
            kernel = self.op(
                "Reshape", [kernel, self.const(np.array([units, -1], np.int32))], None, Tshape=_INT
            )
            kernel = self.op("Mul", [kernel, self.number(0.5)], None)
            kernel = self.op("Transpose", [kernel, self.const(np.array([1, 0], np.int32))], None, Tperm=_INT)
        else:
            kernel = self.const(self.floats(shape[0], units, scale=shape[0] ** -0.5))
        y = self.op("MatMul", [x, kernel], (units,), transpose_a={"b": False}, transpose_b={"b": False})
        return self._followed(y, (units,))

    def _batched_product(self, x: str, shape: Shape) -> tuple[str, Shape]:
        units = self._draw.choice((4, 5))
        kernel = self.const(self.floats(shape[-1], units, scale=shape[-1] ** -0.5))
        y = self.op("BatchMatMulV2", [x, kernel], (shape[0], units), adj_x={"b": False}, adj_y={"b": False})
        return self._followed(y, (shape[0], units))

    def _recurrent(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """A loop that was written out: each step adds a product of its input and one of the state before."""
        draw, (steps, width), units = self._draw, shape, 3
        order = self.const(np.array([1, 0, 2], np.int32))
        turned = self.op("Transpose", [x, order], None, Tperm=_INT)
        self._shapes[turned] = (steps, None, width)
        parts = self.op("Unpack", [turned], (width,), num={"i": str(steps)}, axis={"i": "0"})
        inner, outer = (self.const(self.floats(rows, units, scale=0.5)) for rows in (units, width))
        bias = self.const(self.floats(units))
        flips = {"transpose_a": {"b": False}, "transpose_b": {"b": False}}
        state, bias_first = "", draw.random() < 0.5
        for index in range(steps):
            part = f"{parts}:{index}" if index else parts
            y = self.op("MatMul", [part, outer], (units,), **flips)
            if bias_first:
                y = self.op("BiasAdd", [y, bias], (units,))
            if state:
                y = self.op("AddV2", [y, self.op("MatMul", [state, inner], (units,), **flips)], (units,))
            if not bias_first and (index or draw.random() < 0.8):
                y = self.op("BiasAdd", [y, bias], (units,))
            state = self.unary("Tanh", y, (units,))
        return state, (units,)

    def _convolution(self, x: str, shape: Shape) -> tuple[str, Shape] | None:
        filters, size = self._draw.choice((3, 4, 6)), self._draw.choice((1, 1, 2, 3))
        kernel = self.const(
            self.floats(size, size, shape[-1], filters, scale=(size * size * shape[-1]) ** -0.5)
        )
        return self._slid("Conv2D", x, shape, kernel, size, filters)

    def _depthwise(self, x: str, shape: Shape) -> tuple[str, Shape] | None:
        size, times = self._draw.choice((2, 3)), self._draw.choice((1, 1, 2))
        kernel = self.const(self.floats(size, size, shape[-1], times, scale=1 / size))
        return self._slid("DepthwiseConv2dNative", x, shape, kernel, size, shape[-1] * times)

    def _slid(
        self, op: str, x: str, shape: Shape, kernel: str, size: int, channels: int
    ) -> tuple[str, Shape] | None:
        """A convolution, after a pad now and then."""
        height, width = shape[:2]
        stride, padding = self._draw.choice((1, 1, 2)), self._draw.choice(("SAME", "VALID"))
        if self._draw.random() < 0.3:
            x, (height, width, _) = self._padded(x, shape)
        if padding == "VALID":
            if min(height, width) < size:
                return None
            height, width = height - size + 1, width - size + 1
        made = (-(-height // stride), -(-width // stride), channels)
        attrs = {
            "strides": {"list": {"i": [str(each) for each in (1, stride, stride, 1)]}},
            "dilations": {"list": {"i": ["1"] * 4}},
            "padding": {"s": {"SAME": "U0FNRQ==", "VALID": "VkFMSUQ="}[padding]},
            "data_format": {"s": "TkhXQw=="},
        }
        return self._followed(self.op(op, [x, kernel], made, **attrs, explicit_paddings={"list": {}}), made)

    def _followed(self, y: str, shape: Shape) -> tuple[str, Shape]:
        """What mostly stands behind a layer: a bias, batch normalization, an activation."""
        draw = self._draw
        if draw.random() < 0.6:
            bias = self.const(self.floats(shape[-1]))
            y = self.op(draw.choice(("BiasAdd", "AddV2")), [y, bias], shape)
        if draw.random() < 0.2:
            self._tensors.append((y, shape))  # somebody else may use it before its activation
        if draw.random() < 0.3:
            y, _ = self._batch_norm(y, shape)
        if draw.random() < 0.5:
            return self._elementwise(y, shape) if draw.random() < 0.7 else self._activation(y, shape)
        return y, shape

    def _batch_norm(self, x: str, shape: Shape) -> tuple[str, Shape]:
        channels = shape[-1]
        scale, offset, mean = (self.floats(channels) for _ in range(3))
        variance = np.abs(self.floats(channels)) + 0.5
        if len(shape) == 3 and self._draw.random() < 0.5:
            values = [self.const(each.astype(np.float32)) for each in (scale, offset, mean, variance)]
            attrs = {
                "U": _FLOAT,
                "epsilon": {"f": 0.001},
                "data_format": {"s": "TkhXQw=="},
                "is_training": {"b": False},
            }
            return self.op("FusedBatchNormV3", [x, *values], shape, **attrs), shape
        factor = (scale / np.sqrt(variance + 0.001)).astype(np.float32)
        y = self.binary("Mul", x, self.const(factor), shape)
        return self.binary("AddV2", y, self.const((offset - mean * factor).astype(np.float32)), shape), shape

    def _padded(self, x: str, shape: Shape) -> tuple[str, Shape]:
        margins = [[0, 0], *([self._draw.randint(0, 2), self._draw.randint(0, 2)] for _ in range(2)), [0, 0]]
        made = (shape[0] + sum(margins[1]), shape[1] + sum(margins[2]), shape[2])
        return self.op("Pad", [x, self.const(np.array(margins, np.int32))], made, Tpaddings=_INT), made

    def _pooled(self, x: str, shape: Shape) -> tuple[str, Shape] | None:
        if min(shape[:2]) < 2:
            return None
        attrs = {
            "ksize": {"list": {"i": ["1", "2", "2", "1"]}},
            "strides": {"list": {"i": ["1", "2", "2", "1"]}},
            "padding": {"s": "VkFMSUQ="},
            "data_format": {"s": "TkhXQw=="},
        }
        made = (shape[0] // 2, shape[1] // 2, shape[2])
        return self.op(self._draw.choice(("MaxPool", "AvgPool")), [x], made, **attrs), made

    def _squeezed(self, x: str, shape: Shape) -> tuple[str, Shape]:
        """Squeeze and excite, as in EfficientNet and MobileNetV3."""
        channels = shape[-1]
        axes = self.const(np.array([1, 2], np.int32))
        y = self.op("Mean", [x, axes], (channels,), Tidx=_INT, keep_dims={"b": False})
        y = self._to_shape(y, (channels,), (1, 1, channels))
        kernel = self.const(self.floats(1, 1, channels, channels, scale=channels**-0.5))
        attrs = {
            "strides": {"list": {"i": ["1"] * 4}},
            "dilations": {"list": {"i": ["1"] * 4}},
            "padding": {"s": "VkFMSUQ="},
            "data_format": {"s": "TkhXQw=="},
        }
        y = self.op("Conv2D", [y, kernel], (1, 1, channels), **attrs, explicit_paddings={"list": {}})
        y = self.op("BiasAdd", [y, self.const(self.floats(channels))], (1, 1, channels))
        return self.binary("Mul", x, self.unary("Sigmoid", y, (1, 1, channels)), shape), shape

    # --- the whole ---

    def graph(self) -> GraphModel:
        """Return the graph: its outputs are all loose ends, and now and then something in the middle."""
        names = [name for name, _ in self._tensors if not self._uses.get(name)]
        names += [name for name, _ in self._tensors if name not in names and self._draw.random() < 0.1]
        placeholders = {spec.name for spec in self._inputs}
        outputs = []
        for name in names:
            tensor = self.op("Identity", [name], self._shapes[name][1:]) if name in placeholders else name
            outputs.append(TensorSpec(name, self._shapes[name], "float32", "float32", f"{tensor}:0"))
        nodes = [
            *(node for node in self._nodes if node.op == "Const"),
            *(n for n in self._nodes if n.op != "Const"),
        ]
        return GraphModel(nodes, Signature(tuple(self._inputs), tuple(outputs)), shapes=dict(self._shapes))


_FLOAT = {"type": "DT_FLOAT"}
_INT = {"type": "DT_INT32"}
