/** The JSON files of a built model (docs/program.md) and the shapes of the public API. */

export * from "./openai.d.ts";

/** A number of bytes or workgroups: an integer, or an expression (expr.js). */
export type Size = number | string;

export interface Variant {
  name: string;
  requires: string[];
  /**
   * The kind of adapter that it is chosen on by itself; default any. "software" computes on the
   * processor, "lavapipe" is Mesa's of those.
   */
  adapter?: string;
  /**
   * "tiles": matrices lie in sampled textures (tiles.js), "storage-tiles": in storage textures;
   * default "rows", in buffers as in the shards.
   */
  matrices?: "rows" | "tiles" | "storage-tiles";
  symbols: Record<string, number>;
  /** What a tuner may choose of the symbols, by group of kernels; the first is what `symbols` has. */
  tuning?: Record<string, Choice[]>;
}

/** Symbol -> its value. */
export type Choice = Record<string, number>;

/** The steps of a phase that stand for a group of kernels when its choices are timed. */
export interface Timed {
  phase: Phase;
  /** Their numbers in the phase. */
  steps: number[];
  symbols: { num_tokens: Size; position: Size };
}

/** What a tuner found, by group: names of choices (tuning.js). */
export type Findings = Record<string, { taken: string; tried: string[] }>;

export interface ProgramBuffer {
  kind:
    "state" | "shape" | "input" | "weights" | "matrix" | "table" | "cache" | "scratch" | "output";
  nbytes: Size;
  init?: { op: "cos_sin"; factors: number[] } | { op: "words"; words: Size[] };
}

export interface BindingRange {
  buffer: string;
  offset?: number;
  nbytes?: Size;
}

/** "matrix" is what the variant keeps matrices in. */
export type BindingType = GPUBufferBindingType | "matrix";

/** How a plane goes into tiles. */
export interface Tiles {
  /** What is read of a row at once. */
  unit_nbytes: number;
  row_units: number;
  /** Of a tile. */
  rows: number;
}

/** Where a record of the tensor cache goes. */
export interface RecordPlace {
  buffer: string;
  offset: number;
  tiles?: Tiles;
}

export interface KernelShader {
  file: string;
  requires: string[];
}

export interface Kernel {
  template: string;
  shaders: Record<string, KernelShader>;
  bindings: { name: string; type: BindingType }[];
  constants: Record<string, Size>;
}

export interface Step {
  label: string;
  kernel: string;
  bindings: BindingRange[];
  dispatch: [Size, Size, Size];
}

export type Phase = "encode_image" | "prefill" | "sample" | "decode" | "logits" | "verify";

/** What the images of a model that sees must be, and how they stand in a prompt. */
export interface ProgramImage {
  size: number;
  mean: number[];
  std: number[];
  num_tokens: number;
  token_id: number;
  suffix: string;
}

export interface Program {
  version: number;
  architecture: string;
  image?: ProgramImage;
  prefill_chunk_size: number;
  logits_chunk_size: number;
  vocab_size: number;
  max_context_window_size: number;
  generated_ring_size: number;
  variants: Variant[];
  tuning?: Record<string, Timed>;
  state: Record<string, number>;
  buffers: Record<string, ProgramBuffer>;
  records: Record<string, RecordPlace>;
  kernels: Record<string, Kernel>;
  phases: Record<Phase, Step[]>;
}

export interface FileEntry {
  nbytes: number;
  sha256: string;
}

export interface Manifest {
  version: number;
  /** The program that wrote it, and its version. */
  tool?: string;
  id: string;
  name: string;
  architecture: string;
  num_parameters: number;
  storage: Record<string, { matrices: number; nbytes: number }>;
  /** `url`: where the folder `path` lies, if it is not in the model's own. */
  weights: { path: string; nbytes: number; num_shards: number; url?: string };
  /** What the model is, under Hugging Face's names. */
  config?: Record<string, number | string>;
  vocab_size: number;
  context: { default: number; max: number };
  limits: Record<string, number>;
  /** Where the model sees: the side in pixels of what it gets of a picture. */
  image?: { size: number };
  /** Pictures to try it with: paths in the model's folder. */
  samples?: string[];
  generation: {
    bos_token_id?: number;
    stop_token_ids: number[];
    /** The model's own values of the sampling options. */
    temperature?: number;
    top_p?: number;
    top_k?: number;
    min_p?: number;
    presence_penalty?: number;
    frequency_penalty?: number;
    repetition_penalty?: number;
    prompts?: string[];
  };
  chat: ChatData | null;
  source?: { name: string; format: string };
  /** What `webgemma eval --record` measured. */
  quality?: Quality;
  files: Record<string, FileEntry>;
}

/** A figure and its standard error. */
export interface Estimate {
  value: number;
  error: number;
}

/** How well the model predicts a text; docs/program.md has the meaning of every key. */
export interface Quality {
  tool: string;
  text: { name: string; sha256: string };
  context: number;
  chunks: number;
  scored_tokens: number;
  variant: string;
  perplexity: Estimate;
  reference?: { name: string; storage: string[]; perplexity: Estimate };
  kl_divergence?: Estimate & { far: number; maximum: number };
  same_top?: Estimate;
}

export interface TensorRecord {
  name: string;
  shape: number[];
  dtype: string;
  format: string;
  nbytes: number;
  byteOffset: number;
}

export interface TensorCache {
  metadata: object;
  records: { dataPath: string; format: string; nbytes: number; records: TensorRecord[] }[];
}

/** self-test.json: a program, and what it should compute (docs/program.md). */
export interface SelfTestProgram extends Program {
  self_test: {
    /** Record -> its bytes in self-test.bin. */
    records: Record<string, { offset: number; nbytes: number }>;
    runs: { phase: Phase; num_tokens: number; position: number }[];
    /** Where the answer of a buffer, f32, lies in self-test.bin. */
    checks: { buffer: string; offset: number; nbytes: number }[];
    max_error: { f32: number; f16: number };
  };
}

/** Which variant computed what it should, and which were tried before it. */
export interface SelfTestReport {
  passed: string;
  failed: { variant: string; reason: string }[];
}

/** What happens while a model loads. */
export interface Progress {
  /** "manifest", then "weights" (bytes arrive, are verified and uploaded), "compile", "ready". */
  stage: "manifest" | "weights" | "compile" | "ready";
  loaded_nbytes: number;
  /** How many of the loaded bytes were on this device already. */
  stored_nbytes: number;
  total_nbytes: number;
  /** Bytes per second over the last seconds; 0 while unknown. */
  rate: number;
  compiled_kernels: number;
  num_kernels: number;
  duration_ms: number;
}

export interface LoadOptions {
  onProgress?: (progress: Progress) => void;
  /** "auto", or the name of one of the program's variants. */
  variant?: string;
  contextWindowSize?: number;
  signal?: AbortSignal;
  /**
   * Whether the GPU is tried with a few small kernels before weights are fetched: "auto" leaves out
   * software adapters, which take long to compile them.
   */
  selfTest?: "auto" | "always" | "never";
  /**
   * Whether kernels are as a search on this device chose them, and whether it goes on, 300 ms at most,
   * while nothing else is asked for after the load; true where it is left out.
   */
  tune?: boolean;
  /** Where downloaded files are kept; "auto" is the first of the others that the browser has. */
  store?: "auto" | "opfs" | "cache" | "memory";
  /** A download that brings nothing for so long is begun again; 30 s where it is left out. */
  stallTimeoutMs?: number;
  /** Before a second attempt, and three times as long before each further one; half a second. */
  retryPauseMs?: number;
}

/** A model whose files are kept on this device. */
export interface StoredModel {
  /** Of the model's folder. */
  url: string;
  id: string;
  name: string;
  stored_nbytes: number;
  /** Whether it loads without a download. */
  is_complete: boolean;
}

/** Bytes that a model takes at one context, in one variant. */
export interface Memory {
  weights_nbytes: number;
  cache_nbytes: number;
  /** All other buffers: scratch, tables, logits, state. */
  scratch_nbytes: number;
  /** What is on its way while the buffers are there: shards, and before them tables. */
  loading_nbytes: number;
  /** GPU buffers of a loaded model. */
  total_nbytes: number;
  /** The most there is at any time: while tables or shards are on their way. */
  peak_nbytes: number;
}

/** What a load takes, before it begins. */
export interface MemoryEstimate extends Memory {
  /** Of the weights, all of them. */
  download_nbytes: number;
  /** How much of the weights is on this device already. */
  stored_nbytes: number;
  /** What the browser would still store for this origin; null where it does not say. */
  free_storage_nbytes: number | null;
  /** The device's memory, as far as the browser says: a rounded figure with an upper bound. */
  device_memory_nbytes: number | null;
  variant: string;
  context_window_size: number;
}

export interface LoadPlan {
  variant: Variant;
  contextWindowSize: number;
  memory: Memory;
}

/** What a loaded model is and runs on. */
export interface ModelInfo {
  id: string;
  name: string;
  architecture: string;
  variant: string;
  context_window_size: number;
  weights_nbytes: number;
  memory: Memory;
  adapter: { vendor: string; architecture: string; description: string; is_fallback: boolean };
  /** Where the files are kept; `refusal` says why the browser did not take them all. */
  self_test: SelfTestReport | null;
  store: { kind: "opfs" | "cache" | "memory"; refusal: string | null };
  generation: Manifest["generation"];
  has_chat: boolean;
  /** Whether a message may have a picture in it. */
  has_vision: boolean;
}

/** What `engine.diagnostics()` measures. */
export interface MeasureOptions {
  /** Lengths of prompts; 16 and 128 as far as the context goes. */
  prompts?: number[];
  /** Tokens in the caches while decoding; 16 and 256 likewise. */
  contexts?: number[];
  /** Measurements of each figure, fewer where they are slow; their median is given. 3. */
  repeat?: number;
  /** No further measurement of a figure is begun when so much time has gone; 2 s. */
  mostMs?: number;
}

export interface DiagnosticsOptions {
  /** Whether to measure prompts, tokens and kernels: takes seconds, and forgets the caches. */
  measure?: boolean | MeasureOptions;
  onProgress?: (progress: { done: number; total: number }) => void;
  signal?: AbortSignal;
}

/** Of a prompt of so many tokens, or of decoding behind so many. */
export interface Rate {
  tokens: number;
  seconds_per_token: number;
}

/** One kernel in one phase: a decoded token, or a chunk of a prompt. */
export interface KernelTime {
  phase: Phase;
  name: string;
  template: string;
  dispatches: number;
  /** Of all of them. */
  seconds: number;
  /** Weights that they read. */
  weights_nbytes: number;
}

/** The figures of `webgemma bench`, by the same names. */
export interface Measured {
  /** What kernels were timed with: the GPU's clock, or the host's. */
  clock: "timestamp-query" | "wall";
  /** Tokens of the chunk that the kernels of phase prefill ran. */
  chunk: number;
  /** From the tokens of the shortest prompt to the first answered one, read back. */
  first_token_seconds: number;
  prefill: Rate[];
  decode: Rate[];
  kernels: KernelTime[];
}

/** What is known of the device, whether or not a model runs on it. */
export interface DeviceReport {
  /** The browser's user agent. */
  browser: string;
  /** What the adapter has; null where there is none, and `problem` says why. */
  adapter: (ModelInfo["adapter"] & { features: string[]; limits: Record<string, number> }) | null;
  problem: string | null;
  storage: ModelInfo["store"] & {
    used_nbytes: number;
    quota_nbytes: number | null;
    is_persistent: boolean;
  };
}

/** What a report of a problem should say. It has nothing of conversations in it. */
export interface Diagnostics extends DeviceReport {
  /** What built the site. */
  tool: string;
  model: {
    id: string;
    name: string;
    architecture: string;
    num_parameters: number;
    storage: string[];
    version: number;
    program_version: number;
    num_shards: number;
  };
  variant: string;
  context_window_size: number;
  /** What was asked of the adapter, and the first thing that the device failed at. */
  device: { features: string[]; limits: Record<string, number>; error: string | null };
  /** The plan, and what the model's GPU buffers take. */
  memory: Memory & { in_use_nbytes: number; num_buffers: number };
  self_test: SelfTestReport | null;
  /** What the search for faster kernels took and tried on this device. */
  tuning: Findings;
  measured: Measured | null;
}

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** What stands around the messages of one role (docs/chat.md). */
export interface ChatRole {
  prefix: string;
  suffix: string;
  trim: boolean;
  /** Of an earlier reply, what is left out: all before the last `end`, and `end` itself. */
  thought?: { end: string; trim_lines: boolean };
  /** Of the system: whether it is part of the user's message, and trimmed with its end. */
  joined?: boolean;
}

/** A chat template as data: the "chat" of webgemma.json. */
export interface ChatData {
  prefix: string;
  roles: { user: ChatRole; assistant: ChatRole; system: ChatRole };
  generation_prefix: string;
}
