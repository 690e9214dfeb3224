/**
 * The runtime is compiled once per set of TensorFlow ops, since who makes a bundle has no Node to compile it for one
 * model: a bundle gets the first set that has all of its model's ops, see tfjs_bundle/site/render.py.
 *
 * A set's size is what all models that fall into it pay, so that these are drawn by what models are: most of
 * what is made for pictures and tables stays in the first, text and time series in the second.
 */

const GRAPH = ["Const", "Identity", "IdentityN", "NoOp", "Placeholder", "PlaceholderWithDefault", "Shape"];

/** Layers of weights, convolutions, pooling, attention, activations, and what folding and fusing makes of them. */
const FEED_FORWARD = [
  ...GRAPH,
  ...["Add", "AddN", "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "Pow"],
  ...["SquaredDifference", "Square", "Sqrt", "Rsqrt", "Reciprocal", "Neg", "Abs", "Exp", "Log", "Erf"],
  ...["Relu", "Relu6", "LeakyRelu", "Prelu", "Elu", "Selu", "Sigmoid", "Softplus", "Tanh", "ClipByValue"],
  ...["Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative", "Conv2DBackpropInput"],
  ...["AvgPool", "MaxPool", "ResizeBilinear", "ResizeNearestNeighbor"],
  ...["MatMul", "_FusedMatMul", "BatchMatMul", "BatchMatMulV2", "Transpose", "Softmax"],
  ...["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Max", "Mean", "Sum", "Prod"],
  ...["Concat", "ConcatV2", "Pack", "Slice", "StridedSlice", "Split", "SplitV", "Gather", "GatherV2"],
  ...["Cast", "ExpandDims", "Squeeze", "Reshape", "Pad", "PadV2", "Tile"],
  ...["Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "Select", "SelectV2"],
];

/** Loops over steps, masks, what is counted and found, dilated convolutions of steps, and rarer arithmetic. */
const SEQUENCES = [
  ...["If", "StatelessIf", "While", "StatelessWhile", "TensorListFromTensor", "TensorListGetItem"],
  ...["TensorListReserve", "TensorListSetItem", "TensorListStack", "TensorListLength"],
  ...["NotEqual", "LogicalAnd", "LogicalNot", "LogicalOr", "All", "Any", "Min", "ArgMax", "ArgMin", "Cumsum"],
  ...["Fill", "OneHot", "Ones", "OnesLike", "Range", "Zeros", "ZerosLike", "Rank", "Size", "StopGradient"],
  ...["Div", "DivNoNan", "FloorDiv", "FloorMod", "Mod", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos"],
  ...["Log1p", "Expm1", "LogSoftmax", "GatherNd", "Reverse", "ReverseV2", "Unpack", "BroadcastTo"],
  ...["MirrorPad", "DepthToSpace", "SpaceToBatchND", "BatchToSpaceND"],
];

/** Smallest first; `null` are all ops of TF.js. */
export const OP_SETS = [
  { name: "feed-forward", ops: FEED_FORWARD },
  { name: "sequences", ops: [...FEED_FORWARD, ...SEQUENCES] },
  { name: "all", ops: null },
];
