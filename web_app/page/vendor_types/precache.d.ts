/** What `python -m web_app build` puts in front of service_worker.js. */
declare const PRECACHE: {
  version: string;
  policy: string;
  /** Of the files that the page needs at once. */
  bytes: number;
  /** Files that follow in the background, and those that only some ask for. */
  later: string[];
  wanted: string[];
  hashes: Record<string, string>;
  sizes: Record<string, number>;
  /** Scripts that are packed beside themselves: where, and what they are. */
  packed: Record<string, { from: string; type: string }>;
  /** Hashes of the files in LZMA as they are unpacked. */
  unpacked: Record<string, string>;
};

/** engine/unlzma.js, which the build puts behind it. */
declare function unlzma(packed: Uint8Array): Uint8Array<ArrayBuffer>;
