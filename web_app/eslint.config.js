import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      curly: 'error',
      eqeqeq: 'error',
      'no-eval': 'error',
      'no-implicit-globals': 'error',
      'no-implied-eval': 'error',
      'no-var': 'error',
      'no-shadow': 'error',
      'prefer-const': ['error', { destructuring: 'all' }],
      'object-shorthand': 'error',
    },
  },
  { files: ['page/ui/**'], languageOptions: { globals: globals.browser } },
  { files: ['page/engine/**'], languageOptions: { globals: globals.worker } },
  { files: ['page/engine/capture.js'], languageOptions: { globals: globals.audioWorklet } },
  {
    files: ['page/service_worker.js'],
    languageOptions: { sourceType: 'script', globals: globals.serviceworker },
    rules: { 'no-implicit-globals': 'off' },
  },
];
