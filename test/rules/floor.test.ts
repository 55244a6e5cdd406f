import { expect, test } from 'vitest';
import { textOf } from './tree.js';

const lock = JSON.parse(textOf('package-lock.json')) as { packages: Record<string, { version?: string }> };

const floors: readonly [name: string, oldest: string][] = [
  ['@grpc/grpc-js', '1.14.4'],
  ['node-forge', '1.4.3'],
  ['systeminformation', '5.31.7'],
  ['protobufjs', '7.5.8'],
  ['ssh2', '1.15.0'],
];

test.each(floors)('%s is at least %s in the lock file', (name, oldest) => {
  const found = Object.entries(lock.packages).filter(([path]) => path === `node_modules/${name}` || path.endsWith(`/node_modules/${name}`));
  expect(found.length, `${name} is in the lock file`).toBeGreaterThan(0);
  for (const [path, { version = '0' }] of found) {
    const [a = 0, b = 0, c = 0] = version.split('.').map(Number);
    const [x = 0, y = 0, z = 0] = oldest.split('.').map(Number);
    expect(a > x || (a === x && (b > y || (b === y && c >= z))), `${path} ${version}`).toBe(true);
  }
});
