/** What `python -m web_app build` writes into precache.js. */
declare const PRECACHE: {
  version: string;
  policy: string;
  bytes: number;
  hashes: Record<string, string>;
  sizes: Record<string, number>;
};
