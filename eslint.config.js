import tseslint from 'typescript-eslint';

/** Pure folders: no machine, no clock, no randomness; those come in as parameters. */
const pure = ['shared/model/**/*.ts', 'agent/*/plan.ts', 'agent/*/render.ts', 'coordinator/desired/**/*.ts'];

export default tseslint.config(
  { ignores: ['node_modules/', 'build/', 'dist/', 'shared/gen/', 'native/**/gen/', 'packaging/runtime/node_modules/', 'coordinator/web/asset/', '*.config.js', 'test/setup.mjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidOperator: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: false, allowBoolean: false }],
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'Name what a module exports.' },
        { selector: 'TSEnumDeclaration', message: 'Use a union of literals.' },
        { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'Randomness comes from node:crypto (shared/kit/random.ts).' },
        { selector: "Property[key.name='shell'][value.value=true]", message: 'No shell, ever: an argv array and an absolute path.' },
        { selector: "CallExpression[callee.name=/^(exec|execSync)$/]", message: 'No shell, ever: an argv array and an absolute path.' },
      ],
    },
  },
  {
    files: pure,
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: ['node:*'], message: 'This folder is pure: what it needs comes in as a parameter.' }] }],
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'performance', 'Buffer'],
    },
  },
  { files: ['*.config.ts', '*.config.js', 'test/setup.mjs'], rules: { 'no-restricted-exports': 'off' } },
  {
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      'no-restricted-syntax': 'off',
    },
  },
);
