import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const folder = mkdtempSync(join(tmpdir(), 'reeve-web-login-'));
let coordinator: CannedCoordinator;

beforeAll(async () => {
  coordinator = await startCoordinator();
});
afterAll(async () => {
  await coordinator.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  coordinator.answers = answers;
  coordinator.requests.length = 0;
});

const run = (...args: string[]) => runCaptured(coordinator.socket, ['web', 'login', ...args]);
const asked = (): unknown[] => coordinator.requests.map(({ method, request }) => [method, request]);

it('has a password made and shows it once, with the secret of the second factor', async () => {
  const shown = await run('set', 'ada', '--totp');
  expect(shown.exit).toBe(0);
  expect(shown.out).toBe('ada may log in to the status page.\nPassword, shown once: x8Kq-made-for-the-test\nSecond factor, shown once, for an app that makes codes: otpauth://totp/Reeve:ada?secret=GEZDGNBV\n');
  expect(asked()).toEqual([['WebService.SetWebLogin', { name: 'ada', password: '', totp: true }]]);
});

it('reads a password from the first line of a file, and never from the command line', async () => {
  const file = join(folder, 'password');
  writeFileSync(file, 'correct horse battery\nsomething else\n');
  expect((await run('set', 'ada', '--password-file', file)).exit).toBe(0);
  expect(asked()).toEqual([['WebService.SetWebLogin', { name: 'ada', password: 'correct horse battery', totp: false }]]);
  expect((await run('set', 'ada', 'correct horse battery')).exit).toBe(2);
});

it('refuses a password that is too short before anybody is asked, and does not show it', async () => {
  const file = join(folder, 'short');
  writeFileSync(file, 'secret\n');
  const shown = await run('set', 'ada', '--password-file', file);
  expect(shown.exit).toBe(2);
  expect(shown.err).toContain('12 to 256 bytes');
  expect(shown.err).not.toContain('secret');
  expect(asked()).toEqual([]);
});

it('asks before it takes a login away', async () => {
  expect((await run('remove', 'bob')).exit).toBe(2);
  expect(asked()).toEqual([]);
  expect((await run('remove', 'bob', '--yes')).out).toBe('bob cannot log in to the status page any more.\n');
  expect(asked()).toEqual([['WebService.RemoveWebLogin', { name: 'bob' }]]);
});

it.each([
  ['a list of one', ['list', 'ada']],
  ['nobody', ['set']],
  ['a second factor to remove', ['remove', 'ada', '--totp', '--yes']],
  ['a name that nobody has', ['set', 'Ada']],
])('refuses %s', async (_what, args) => {
  expect((await run(...args)).exit).toBe(2);
  expect(asked()).toEqual([]);
});
