import { expect, test } from 'vitest';
import { until } from './until.js';

test('until gives the first answer that is neither undefined nor false', async () => {
  const answers = [undefined, false as const, 0];
  expect(await until(() => answers.shift(), { timeoutMs: 1_000, everyMs: 1, what: 'a number' })).toBe(0);
});

test('until says what it waited for and keeps the last error as the cause', async () => {
  const waiting = until(() => Promise.reject(new Error('not yet')), { timeoutMs: 20, everyMs: 1, what: 'the moon' });
  await expect(waiting).rejects.toMatchObject({ message: 'Waited 20 ms for the moon', cause: { message: 'not yet' } });
});
