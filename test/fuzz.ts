/** `npm run fuzz [-- SECONDS]`: every fuzz target of the helper and of reeve-container with ASan and UBSan, SECONDS each (default 3,600), and the policy language of both sides against each other. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const top = join(import.meta.dirname, '..');
const seconds = Number(process.argv[2] ?? '3600');
if (!Number.isSafeInteger(seconds) || seconds < 1) {
  process.stderr.write(`fuzz: "${process.argv[2] ?? ''}" is not a number of seconds\n`);
  process.exit(2);
}
const runs: readonly [string, readonly string[]][] = [
  ['make', ['-C', join(top, 'native/reeve-privd'), 'fuzz', `SECONDS=${String(seconds)}`]],
  ['make', ['-C', join(top, 'native/container'), 'fuzz', `SECONDS=${String(seconds)}`]],
  [join(top, 'node_modules/.bin/vitest'), ['run', '--project', 'unit', 'shared/model/policy', 'agent/server.test.ts']],
];
for (const [file, args] of runs) {
  const result = spawnSync(file, args, { cwd: top, stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}
