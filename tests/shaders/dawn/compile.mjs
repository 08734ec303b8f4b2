/**
 * Compiles shaders with Dawn's null backend: what Chrome's compiler says, without a GPU.
 *
 * stdin: [{name, code, requires, constants}]; stdout: [{name, messages}] of those that fail.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.argv[2]}/`);
const { create, globals } = await import(pathToFileURL(require.resolve("webgpu")).href);
Object.assign(globalThis, globals);

const DIRECTIVES = { "shader-f16": "enable f16;\n", subgroups: "enable subgroups;\n" };
const shaders = JSON.parse(readFileSync(0, "utf-8"));
const gpu = create(["backend=null"]);
globalThis.gpu = gpu; // collected while in use, it takes Dawn's threads with it
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: Object.keys(DIRECTIVES) });
const failed = [];
for (const { name, code, requires, constants } of shaders) {
  const text = requires.map((feature) => DIRECTIVES[feature]).join("") + code;
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: text });
  const { messages } = await module.getCompilationInfo();
  device.createComputePipeline({
    layout: "auto",
    compute: { module, entryPoint: "main", constants },
  });
  const error = await device.popErrorScope();
  const all = [...messages.map((m) => `${m.lineNum}: ${m.message}`), error?.message];
  if (all.some(Boolean)) failed.push({ name, messages: all.filter(Boolean) });
}
console.log(JSON.stringify(failed));
process.exit(0);
