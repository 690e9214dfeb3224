// Predict with TF.js as published (the global `tf`); inputs and outputs by name.
// biome-ignore lint/correctness/noUnusedVariables: called by the test
async function predictPlainly(url, inputs) {
  await tf.setBackend("cpu");
  const model = await tf.loadGraphModel(url);
  const tensors = {};
  for (const [name, { data, shape, dtype }] of Object.entries(inputs)) {
    tensors[name] = tf.tensor(data, shape, dtype);
  }
  const names = Object.keys(model.modelSignature.outputs);
  const nodes = names.map((name) => model.modelSignature.outputs[name].name);
  const predicted = await model.executeAsync(tensors, nodes);
  const outputs = {};
  for (const [index, tensor] of (Array.isArray(predicted) ? predicted : [predicted]).entries()) {
    const bytes = new Uint8Array((await tensor.data()).buffer);
    outputs[names[index]] = {
      data: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")),
      shape: tensor.shape,
      dtype: tensor.dtype,
    };
  }
  return outputs;
}
