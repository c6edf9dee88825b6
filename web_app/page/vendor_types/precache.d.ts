/** What `python -m web_app build` puts in front of service_worker.js. */
declare const PRECACHE: {
  version: string;
  policy: string;
  bytes: number;
  hashes: Record<string, string>;
  sizes: Record<string, number>;
};
