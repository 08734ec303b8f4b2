// Times our kernel and onnxruntime-web's MatMulNBits in turns; bench/browser/onnxruntime.py drives it.
import * as ort from "/modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs";

import { bindingLayout } from "/runtime/pipelines.js";
import { createMatrix, writeMatrix } from "/runtime/tiles.js";

const DIRECTIVES = { subgroups: "enable subgroups;\n", "shader-f16": "enable f16;\n" };

/** @param {string} name */
async function fetchBytes(name) {
  return (await fetch(`/case/${name}`)).arrayBuffer();
}

/** Our kernel, as a function of the activations that resolves to their product. */
async function prepareOurs(spec) {
  const adapter = await navigator.gpu.requestAdapter();
  const { features, wgsl, constants, bindings, dispatch } = spec.kernel;
  const device = await adapter.requestDevice({ requiredFeatures: features });
  const code = features.map((feature) => DIRECTIVES[feature]).join("") + wgsl;
  const layout = device.createBindGroupLayout({
    entries: bindings.map(({ type }, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      ...bindingLayout(type, spec.kernel),
    })),
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code }), entryPoint: "main", constants },
  });
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const nbytes = 4 * spec.rows * spec.tokens;
  const usage = STORAGE | COPY_SRC | COPY_DST;
  const buffers = { y: device.createBuffer({ size: nbytes, usage }) };
  const textures = {};
  for (const { name, type } of bindings) {
    if (name === "y") continue;
    const bytes = await fetchBytes(`${name}.bin`);
    if (type === "matrix") {
      textures[name] = createMatrix(device, name, bytes.byteLength);
      writeMatrix(device, textures[name], 0, new Uint8Array(bytes)); // in tiles already
      continue;
    }
    buffers[name] = device.createBuffer({
      size: bytes.byteLength,
      usage: type === "uniform" ? UNIFORM | COPY_DST : usage,
    });
    device.queue.writeBuffer(buffers[name], 0, bytes);
  }
  const group = device.createBindGroup({
    layout,
    entries: bindings.map(({ name }, binding) => ({
      binding,
      resource: textures[name]?.createView() ?? { buffer: buffers[name] },
    })),
  });
  const readback = device.createBuffer({ size: nbytes, usage: COPY_DST | MAP_READ });
  const run = async (x) => {
    device.queue.writeBuffer(buffers.x, 0, x);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...dispatch);
    pass.end();
    encoder.copyBufferToBuffer(buffers.y, 0, readback, 0, nbytes);
    device.queue.submit([encoder.finish()]);
    await readback.mapAsync(GPUMapMode.READ);
    const y = new Float32Array(readback.getMappedRange().slice(0));
    readback.unmap();
    return y;
  };
  const { vendor, architecture } = adapter.info;
  return { run, adapter: `${vendor} ${architecture}` };
}

/** onnxruntime-web's product, the same way. */
async function prepareTheirs(spec) {
  ort.env.wasm.wasmPaths = "/modules/onnxruntime-web/dist/";
  const session = await ort.InferenceSession.create(await fetchBytes("model.onnx"), {
    executionProviders: ["webgpu"],
  });
  const shape = [spec.tokens, spec.columns];
  const run = async (x) => {
    const { y } = await session.run({ x: new ort.Tensor("float32", x, shape) });
    return y.data;
  };
  return { run };
}

async function seconds(run, x) {
  const started = performance.now();
  const y = await run(x);
  return { y, seconds: (performance.now() - started) / 1000 };
}

window.compare = async (spec, repeat) => {
  const x = new Float32Array(await fetchBytes("x.bin"));
  const sides = { ours: await prepareOurs(spec), theirs: await prepareTheirs(spec) };
  const result = { adapter: sides.ours.adapter };
  for (const [name, { run }] of Object.entries(sides)) {
    result[name] = { y: [...(await run(x))], seconds: [] }; // warms up too
  }
  for (let i = 0; i < repeat; i++) {
    for (const [name, { run }] of Object.entries(sides)) {
      result[name].seconds.push((await seconds(run, x)).seconds);
    }
  }
  return result;
};
window.ready = true;
