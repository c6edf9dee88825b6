// Fits a head, on a thread of its own: it takes seconds, and music may begin meanwhile.

import { taughtBy } from './teach.js';

const thread = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (self));

thread.onmessage = ({ data: { settings, rehearsal, evidence, lessons, facts } }) =>
  thread.postMessage(taughtBy(settings, rehearsal, evidence, lessons, facts));
