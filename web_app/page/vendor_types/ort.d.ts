// onnxruntime-web's bundle, as `python -m web_app build` lays it beside the page's modules.
declare module '*/vendor/ort.wasm.min.mjs' {
  export * from 'onnxruntime-web';
}
