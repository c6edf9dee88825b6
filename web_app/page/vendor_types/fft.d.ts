// fft.js, as `python -m web_app build` makes a module of it.
declare module '*/vendor/fft.js' {
  export default class FFT {
    constructor(size: number);
    /** Complex transform; both interleaved, real and imaginary, of length 2 · size. */
    transform(out: Float64Array, data: Float64Array): void;
    /** Real transform; fills the first half of `out`, of length 2 · size. */
    realTransform(out: Float64Array, data: Float64Array): void;
  }
}
