/** The shapes of requests and answers: OpenAI's, and what they have beside those. */

/** A picture: a file, what was decoded of one, or a data: or blob: URL. */
export type ImageSource = Blob | ImageBitmap | string;

export type ContentPart =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: { url: string } }
  /** Not OpenAI's: a picture that needs no URL. */
  | { type: "image"; image: Blob | ImageBitmap };

/** A call of a function that the model asks for. */
export interface ToolCall {
  id: string;
  type: "function";
  /** `arguments` is JSON, as the model wrote it. */
  function: { name: string; arguments: string };
}

/** A function that the model may ask for; `parameters` is a JSON Schema. */
export interface Tool {
  type: "function";
  function: { name: string; description?: string; parameters?: Record<string, unknown> };
}

export type ToolChoice =
  "none" | "auto" | "required" | { type: "function"; function: { name: string } };

/** A message of a request: one for a model that sees may have a picture in it. */
export type RequestMessage =
  | { role: "system" | "developer" | "user"; content: string | ContentPart[] }
  | { role: "assistant"; content?: string | ContentPart[] | null; tool_calls?: ToolCall[] | null }
  | { role: "tool"; content: string | ContentPart[]; tool_call_id: string };

/** How tokens are chosen and when a reply ends. */
export interface SamplingRequest {
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  seed?: number | null;
  stop?: string | string[] | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  logit_bias?: Record<string, number> | null;
  /** What happens when a chat does not fit the context any more. */
  context_full?: "stop" | "drop_oldest" | null;
  /** Whether text that repeats may be drafted; true by default. */
  draft?: boolean | null;
  n?: number | null;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  /** The id of the loaded model, if anything. */
  model?: string | null;
}

/** Replies that are JSON are held to it token by token: docs/structured.md. */
export type ResponseFormat =
  { type: "text" } | { type: "json_object" } | { type: "json_schema"; json_schema: NamedSchema };

export interface NamedSchema {
  /** OpenAI's; not read. */
  name: string;
  description?: string;
  schema?: Record<string, unknown>;
  /** Not read: a reply always keeps to its schema. */
  strict?: boolean | null;
}

export interface ChatRequest extends SamplingRequest {
  messages: RequestMessage[];
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  tools?: Tool[] | null;
  tool_choice?: ToolChoice | null;
  parallel_tool_calls?: boolean | null;
  response_format?: ResponseFormat | null;
}

export interface CompletionRequest extends SamplingRequest {
  /** A text, which BOS is put before, or token ids, which are taken as they are. */
  prompt: string | number[];
  /** How many alternatives to report with each token's logprob. */
  logprobs?: number | null;
  echo?: boolean | null;
}

export interface RequestOptions {
  /** Ends the request; what waits for it throws the signal's reason. */
  signal?: AbortSignal;
}

/** After interrupt() it is "stop", and `usage.extra.interrupted` is true. */
export type FinishReason = "stop" | "length" | "tool_calls";

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Tokens of the prompt that were in the cache already. */
  prompt_tokens_details: { cached_tokens: number };
  extra: {
    cached_tokens: number;
    prefill_duration_ms: number;
    decode_duration_ms: number;
    prefill_tokens_per_s: number;
    decode_tokens_per_s: number;
    drafted_tokens: number;
    /** Those of them that the model would have chosen. */
    accepted_tokens: number;
    /** Whether interrupt() ended it. */
    interrupted: boolean;
  };
}

/** A token and the log of its probability; `bytes` are UTF-8, of a part of a character perhaps. */
export interface TopLogprob {
  token: string;
  bytes: number[];
  logprob: number;
}

export interface TokenLogprob extends TopLogprob {
  top_logprobs: TopLogprob[];
}

export interface ChatLogprobs {
  content: TokenLogprob[];
  refusal: null;
}

interface Head {
  id: string;
  created: number;
  model: string;
}

export interface ChatChunk extends Head {
  object: "chat.completion.chunk";
  choices: {
    index: number;
    delta: {
      role?: "assistant";
      content?: string;
      tool_calls?: (ToolCall & { index: number })[];
    };
    logprobs: ChatLogprobs | null;
    finish_reason: FinishReason | null;
  }[];
  /** With stream_options.include_usage: of the last chunk, which has no choices; null before. */
  usage?: Usage | null;
}

export interface ChatCompletion extends Head {
  object: "chat.completion";
  choices: {
    index: number;
    message: {
      role: "assistant";
      content: string | null;
      refusal: null;
      tool_calls?: ToolCall[];
    };
    logprobs: ChatLogprobs | null;
    finish_reason: FinishReason;
  }[];
  usage: Usage;
}

export interface TextLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  text_offset: number[];
}

interface TextChoice {
  index: number;
  text: string;
  logprobs: TextLogprobs | null;
}

export interface CompletionChunk extends Head {
  object: "text_completion";
  choices: (TextChoice & { finish_reason: "stop" | "length" | null })[];
  usage?: Usage | null;
}

export interface Completion extends Head {
  object: "text_completion";
  choices: (TextChoice & { finish_reason: "stop" | "length" })[];
  usage: Usage;
}

/** What the worker reports of a request, piece by piece; the usage comes last. */
export type CompletionEvent = ChoiceEvent | { usage: Usage };

export interface ChoiceEvent {
  index: number;
  text?: string;
  logprobs?: TokenLogprob[];
  tool_calls?: ToolCall[];
  finish_reason?: FinishReason;
}
