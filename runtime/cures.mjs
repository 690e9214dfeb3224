/** What TF.js 4.22 computes wrongly, or with needless copies, put right in its sources as they are bundled. */

const LOWEST = "-3.402823466e+38"; // of float32; neither WebGL nor WGSL has a literal for infinity
const NOT_NEGATIVE = /x \* vec4\(greaterThanEqual\(x, vec4\(0\.0\)\)\)/;
const NOT_NEGATIVE_UP_TO_6 = /min\(x, vec4\(6\.\)\) \* vec4\(greaterThanEqual\(x, vec4\(0\.0\)\)\)/;
const LANES = ["r", "g", "b", "a"];

/** A file of TF.js, by the end of its path, and what to replace in it: a pattern that must occur, by a text. */
const CURES = [
  // Maxima start at -1e20, so that a row of anything below (attention masks are -3e38) has a wrong one.
  ["backend-webgl/dist/reduce_gpu", /-1\.0 \/ 1e-20/g, LOWEST],
  ["backend-webgl/dist/pool_gpu", /-1\.0 \/ 1e-20/g, LOWEST],
  ["backend-webgpu/dist/pool_webgpu", /-1\.0 \/ pow\(10\.0, -20\.0\)/g, LOWEST],

  // Choices by multiplication make NaN of infinities.
  ["backend-webgl/dist/kernels/Relu", NOT_NEGATIVE, "max(x, vec4(0.0))"],
  ["backend-webgl/dist/kernels/Relu6", NOT_NEGATIVE_UP_TO_6, "clamp(x, vec4(0.0), vec4(6.0))"],
  ["backend-webgl/dist/unaryop_packed_gpu", NOT_NEGATIVE, "max(x, vec4(0.0))"],
  ["backend-webgl/dist/unaryop_packed_gpu", NOT_NEGATIVE_UP_TO_6, "clamp(x, vec4(0.0), vec4(6.0))"],
  ...["LeakyRelu", "Prelu"].map((name) => [
    `backend-webgl/dist/kernels/${name}`,
    /\(aLessThanZero \* \(b \* a\)\) \+ \(\(vec4\(1\.0\) - aLessThanZero\) \* a\)/,
    `vec4(${LANES.map((lane) => `a.${lane} < 0.0 ? b.${lane} * a.${lane} : a.${lane}`)})`,
  ]),

  // The same, as it stands in the shaders of fused convolutions and products.
  ...["unary_op_util", "binary_op_util"].map((file) => [
    `backend-webgpu/dist/${file}`,
    /\(aLessThanZero \* \((\S+) \* a\)\) \+ \(\(vec4<f32>\(1\.0\) - aLessThanZero\) \* a\)/,
    "select(a, $1 * a, a < vec4<f32>(0.0))",
  ]),

  // One NaN keeps the three elements beside it from being clipped.
  [
    "backend-webgl/dist/clip_packed_gpu",
    /if \(any\(isnan\(value\)\)\) \{[^}]*\}\s*setOutput\([^;]*;/,
    `vec4 clipped = clamp(value, vec4(minVal), vec4(maxVal));
        bvec4 isNaN = isnan(value);
        setOutput(vec4(${LANES.map((lane) => `isNaN.${lane} ? value.${lane} : clipped.${lane}`)}));`,
  ],

  // The shader hands integers and bools to a function of floats: it does not compile for them.
  ["backend-webgpu/dist/transpose_webgpu", /setOutputAtIndex\(flatIndex, A\[/, "result[flatIndex] = (A["],

  // Casting to float hands the integers' or bools' buffer on under the name of floats: shaders that copy
  // (Transpose) do not compile for it, and others read its bits as floats.
  ["backend-webgpu/dist/kernels/Cast", /^/, 'import { multiplyConfig } from "./Multiply";\n'],
  [
    "backend-webgpu/dist/kernels/Cast",
    /if \(!util\.hasEncodingLoss\(x\.dtype, dtype\)\) \{/,
    `if (dtype === "float32" && x.dtype !== dtype) {
       if (backend.shouldExecuteOnCPU([x])) {
         const values = Float32Array.from(backend.tensorMap.get(x.dataId).values);
         return backend.makeTensorInfo(x.shape, dtype, values);
       }
       const one = backend.makeTensorInfo([], dtype, new Float32Array([1]));
       const result = multiplyConfig.kernelFunc({ inputs: { a: x, b: one }, backend });
       backend.disposeData(one.dataId);
       return result;
     }
     $&`,
  ],

  // Where a stride goes beyond the kernel, "same" may have less than nothing to pad. In three dimensions TF.js
  // then begins before the first element; XNNPACK, left to pad by itself, reads something else altogether.
  ...["Depth", "Height", "Width"].map((axis) => [
    "core/dist/ops/conv_util",
    new RegExp(`(?<=padAlong${axis} = )\\(out${axis} - 1\\)[^;]*`),
    "Math.max(0, $&)",
  ]),
  ...["Conv2D", "DepthwiseConv2dNative", "FusedConv2D", "FusedDepthwiseConv2D"].map((name) => [
    `backend-wasm/dist/kernels/${name}`,
    /(?<=isSamePad = )[^;]*/,
    "0",
  ]),

  // Each slice, and so each part of a split, copies all that it is a part of. The memory may move as the output is made.
  [
    "backend-wasm/dist/kernels/Slice",
    /const xVals = backend\.readSync\(x\.dataId\);\s*(const out = [^;]*;)/,
    '$1 const xVals = x.dtype === "string" ? backend.readSync(x.dataId) : backend.typedArrayFromHeap(x);',
  ],
];

/**
 * Return the text of a module of TF.js, such as `tfjs-core/dist/util`, without what is wrong in it.
 *
 * @throws Error where TF.js has changed.
 */
export function cured(module, text) {
  let result = text;
  for (const [file, pattern, replacement] of CURES) {
    if (module !== `tfjs-${file}`) continue;
    if (result.search(pattern) < 0) throw new Error(`TF.js has changed: ${module} lacks ${pattern}`);
    result = result.replace(pattern, replacement);
  }
  return result;
}
