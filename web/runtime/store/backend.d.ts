import type { WorkerLink } from "../link.js";

/** What one file after another is read into: new memory costs a page fault for every 4 kB. */
export interface Memory {
  buffer?: ArrayBuffer;
  /** Who hashes what is in it. */
  hasher?: WorkerLink;
}

/** Where files are kept: a flat folder of names. */
export interface Backend {
  kind: "opfs" | "cache" | "memory";
  /** The whole file, in `memory` if that is of use; null where there is none. */
  read(name: string, memory?: Memory): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Write the whole file, or fail and leave none. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  remove(name: string): Promise<void>;
  /** Name -> bytes of every file. */
  sizes(): Promise<Map<string, number>>;
}
