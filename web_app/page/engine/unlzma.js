// Unpacks LZMA, after Igor Pavlov's "LZMA specification" (2015), in the format of .lzma files. Browsers unpack gzip by
// themselves, but the WebAssembly that everybody waits for takes 1.3 MB less in this one.

const HEADER = 13; // bytes
const STATES = 12;
const POSITIONS = 16; // at most, that probabilities depend on
const LITERAL = 0x300; // probabilities of a literal in one context
const TOP = 2 ** 24;
const ODD_BITS = 11;
const EVEN = 2 ** (ODD_BITS - 1); // nothing is known yet
const NO_MORE = 2 ** 32 - 1; // distance that marks the end
const SLOTS = 64; // of distances, for each length
const FULL = 14; // slots from here on have bits that are as likely as not
const ALIGN_BITS = 4;
const SPECIAL = 115; // probabilities of the distances below

// Where each kind of probabilities begins.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITIONS;
const IS_REP_0 = IS_REP + STATES;
const IS_REP_1 = IS_REP_0 + STATES;
const IS_REP_2 = IS_REP_1 + STATES;
const IS_LONG = IS_REP_2 + STATES;
const SLOT = IS_LONG + STATES * POSITIONS;
const DISTANCE = SLOT + 4 * SLOTS;
const ALIGN = DISTANCE + SPECIAL;
const LENGTH = ALIGN + 2 ** ALIGN_BITS;
const LOW = 2; // within those of a length
const MIDDLE = LOW + 8 * POSITIONS;
const HIGH = MIDDLE + 8 * POSITIONS;
const REP_LENGTH = LENGTH + HIGH + 256;
const LITERALS = REP_LENGTH + HIGH + 256;

/**
 * @param {Uint8Array} packed a header that tells the size, and an end that is marked
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function unlzma(packed) {
  if (packed.length < HEADER + 5 || packed[0] >= 9 * 5 * 5) {
    throw new Error('not packed by LZMA');
  }
  const lc = packed[0] % 9;
  const lp = Math.floor(packed[0] / 9) % 5;
  const literalMask = 2 ** lp - 1;
  const positionMask = 2 ** Math.floor(packed[0] / 45) - 1;
  const sizes = new DataView(packed.buffer, packed.byteOffset);
  const size = sizes.getUint32(5, true) + 2 ** 32 * sizes.getUint32(9, true);
  const out = new Uint8Array(size);
  const odds = new Uint16Array(LITERALS + LITERAL * 2 ** (lc + lp)).fill(EVEN);

  // The range coder.
  let range = 2 ** 32 - 1;
  let code = sizes.getUint32(HEADER + 1);
  let next = HEADER + 5;
  const bit = (/** @type {number} */ place) => {
    const odd = odds[place];
    const bound = (range >>> ODD_BITS) * odd;
    let one = 0;
    if (code < bound) {
      range = bound;
      odds[place] = odd + ((2 * EVEN - odd) >> 5);
    } else {
      range -= bound;
      code -= bound;
      odds[place] = odd - (odd >> 5);
      one = 1;
    }
    if (range < TOP) {
      range = (range << 8) >>> 0;
      code = ((code << 8) | packed[next++]) >>> 0;
    }
    return one;
  };
  const evenBits = (/** @type {number} */ count) => {
    let value = 0;
    for (let i = 0; i < count; i++) {
      range >>>= 1;
      const one = code >= range ? 1 : 0;
      code -= one * range;
      value = value * 2 + one;
      if (range < TOP) {
        range = (range << 8) >>> 0;
        code = ((code << 8) | packed[next++]) >>> 0;
      }
    }
    return value;
  };
  const tree = (/** @type {number} */ place, /** @type {number} */ bits) => {
    let node = 1;
    for (let i = 0; i < bits; i++) {
      node = (node << 1) | bit(place + node);
    }
    return node - (1 << bits);
  };
  const reversed = (/** @type {number} */ place, /** @type {number} */ bits) => {
    let [node, value] = [1, 0];
    for (let i = 0; i < bits; i++) {
      const one = bit(place + node);
      node = (node << 1) | one;
      value |= one << i;
    }
    return value;
  };
  const length = (/** @type {number} */ place, /** @type {number} */ position) => {
    if (!bit(place)) {
      return tree(place + LOW + 8 * position, 3);
    }
    return bit(place + 1) ? 16 + tree(place + HIGH, 8) : 8 + tree(place + MIDDLE + 8 * position, 3);
  };
  const distance = (/** @type {number} */ long) => {
    const slot = tree(SLOT + Math.min(long, 3) * SLOTS, 6);
    if (slot < 4) {
      return slot;
    }
    const bits = (slot >> 1) - 1;
    const first = (2 + (slot & 1)) * 2 ** bits;
    if (slot < FULL) {
      return first + reversed(DISTANCE + first - slot, bits);
    }
    return first + evenBits(bits - ALIGN_BITS) * 2 ** ALIGN_BITS + reversed(ALIGN, ALIGN_BITS);
  };

  let [rep0, rep1, rep2, rep3] = [0, 0, 0, 0]; // the last distances
  let state = 0; // what came last, as the format numbers it
  let at = 0; // bytes out
  for (;;) {
    const position = at & positionMask;
    if (!bit(IS_MATCH + state * POSITIONS + position)) {
      const before = at ? out[at - 1] : 0;
      const place = LITERALS + LITERAL * (((at & literalMask) << lc) + (before >> (8 - lc)));
      let symbol = 1;
      if (state >= 7) {
        for (let match = out[at - rep0 - 1]; symbol < 0x100; match <<= 1) {
          const expected = (match >> 7) & 1;
          const one = bit(place + ((1 + expected) << 8) + symbol);
          symbol = (symbol << 1) | one;
          if (one !== expected) {
            break;
          }
        }
      }
      while (symbol < 0x100) {
        symbol = (symbol << 1) | bit(place + symbol);
      }
      if (at >= size) {
        break;
      }
      out[at++] = symbol;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let count;
    if (bit(IS_REP + state)) {
      if (!bit(IS_REP_0 + state)) {
        if (!bit(IS_LONG + state * POSITIONS + position)) {
          if (at >= size || rep0 >= at) {
            break;
          }
          out[at] = out[at - rep0 - 1];
          at++;
          state = state < 7 ? 9 : 11;
          continue;
        }
      } else if (!bit(IS_REP_1 + state)) {
        [rep0, rep1] = [rep1, rep0];
      } else if (!bit(IS_REP_2 + state)) {
        [rep0, rep1, rep2] = [rep2, rep0, rep1];
      } else {
        [rep0, rep1, rep2, rep3] = [rep3, rep0, rep1, rep2];
      }
      count = 2 + length(REP_LENGTH, position);
      state = state < 7 ? 8 : 11;
    } else {
      [rep1, rep2, rep3] = [rep0, rep1, rep2];
      const long = length(LENGTH, position);
      state = state < 7 ? 7 : 10;
      rep0 = distance(long);
      if (rep0 === NO_MORE) {
        if (at === size && next <= packed.length) {
          return out;
        }
        break;
      }
      count = 2 + long;
    }
    if (rep0 >= at || at + count > size) {
      break;
    }
    for (const end = at + count; at < end; at++) {
      out[at] = out[at - rep0 - 1];
    }
  }
  throw new Error('damaged');
}
