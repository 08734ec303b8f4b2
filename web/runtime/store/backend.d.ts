/** Where files are kept: a flat folder of names. */
export interface Backend {
  kind: "opfs" | "cache" | "memory";
  /** The whole file; null where there is none. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Write the whole file, or fail and leave none. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  remove(name: string): Promise<void>;
  /** Name -> bytes of every file. */
  sizes(): Promise<Map<string, number>>;
}
