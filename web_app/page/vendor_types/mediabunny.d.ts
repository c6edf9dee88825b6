// mediabunny's bundle, as `python -m web_app build` lays it beside the page's modules.
declare module '*/vendor/mediabunny.min.mjs' {
  export * from 'mediabunny';
}
