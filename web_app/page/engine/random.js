// Numbers that Python draws alike (runtime/rehearsal.py): the generator mulberry32, and normal numbers from it.

/**
 * Numbers from 0 to below 1.
 *
 * @param {number} seed
 * @param {number} n
 */
export function uniform(seed, n) {
  let state = seed >>> 0;
  return Float64Array.from({ length: n }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  });
}

/**
 * Standard normal numbers (Box and Muller 1958).
 *
 * @param {number} seed
 * @param {number} n
 */
export function normals(seed, n) {
  const even = uniform(seed, n + (n % 2));
  return Float64Array.from({ length: n }, (_, i) => {
    const pair = i - (i % 2);
    const radius = Math.sqrt(-2 * Math.log(1 - even[pair]));
    const angle = 2 * Math.PI * even[pair + 1];
    return radius * (i % 2 ? Math.sin(angle) : Math.cos(angle));
  });
}
