import { expect, test } from 'vitest';
import { projectFiles, shippedFiles, textOf } from './tree.js';

test('no file is longer than 400 lines', () => {
  const long = projectFiles('.ts', '.c').filter((file) => !file.includes('/gen/') && textOf(file).split('\n').length > 401);
  expect(long, 'split it where it has two jobs').toEqual([]);
});

test('the top has its folders and the few files that every repository has', () => {
  const found = [...new Set(projectFiles().map((file) => file.replace(/\/.*/, '/')))].sort();
  const wanted = [
    '.ci/', '.gitignore', '.npmrc', 'LICENSE', 'README.md', 'agent/', 'coordinator/', 'docs/', 'eslint.config.js', 'native/', 'package-lock.json', 'package.json', 'packaging/', 'proto/',
    'shared/', 'test/', 'tsconfig.json', 'vitest.config.ts',
  ];
  expect(found, 'what was fetched or built stays out').toEqual(wanted);
});

test('no file is named after a heap of things (the helper, in the singular, is reeve-privd)', () => {
  expect(projectFiles('.ts').filter((file) => /(?:^|\/)(?:utils?|helpers|common|misc)(?:\.|\/)/.test(file)), 'name it after what it holds').toEqual([]);
});

test('no shell anywhere', () => {
  const offenders = shippedFiles().filter((file) => /shell:\s*true|\bexecSync\b|\/bin\/sh['"]|['"]bash['"],\s*\[/.test(textOf(file)));
  expect(offenders, 'an argv array, an absolute path').toEqual([]);
});

test('randomness comes from node:crypto', () => {
  const offenders = shippedFiles().filter((file) => /Math\.random|forge\.random/.test(textOf(file)));
  expect(offenders, 'use shared/kit/random.ts or randomBytes').toEqual([]);
});

test('no default exports, no export *', () => {
  const offenders = shippedFiles().filter((file) => /^export default|^export \*/m.test(textOf(file)));
  expect(offenders, 'name what a module exports').toEqual([]);
});

test('the tree has no words of the place it was written in', () => {
  const marks = [['', 'work', ''].join('/'), ['', 'tmp', 'bash_jobs'].join('/')];
  const offenders = projectFiles().filter((file) => !/\.(?:png|lock)$/.test(file) && marks.some((mark) => textOf(file).includes(mark)));
  expect(offenders, 'paths of one machine do not belong in the tree').toEqual([]);
});

test('a noun has one spelling in every layer', () => {
  const files = projectFiles();
  for (const noun of ['user', 'fact']) {
    const layers = {
      proto: `proto/reeve/agent/v1/${noun}.proto`,
      model: `shared/model/${noun}.ts`,
      observe: `agent/${noun}/observe.ts`,
      service: `agent/${noun}/service.ts`,
      inventory: `coordinator/inventory/${noun}.ts`,
    };
    for (const [layer, file] of Object.entries(layers)) expect(files, `${noun}: ${layer}`).toContain(file);
  }
  const all = ['agent/user/plan.ts', 'agent/user/render.ts', 'agent/user/apply.ts', 'coordinator/desired/user.ts', 'coordinator/api/user.ts', 'coordinator/cli/user.ts', 'test/e2e/user.test.ts'];
  for (const file of all) expect(files, 'user').toContain(file);
});
