import { expect, it } from 'vitest';
import { runScheduled } from './schedule.js';

it('runs a task each time that the schedule names, until it is stopped', async () => {
  let runs = 0;
  let twice: () => void = () => undefined;
  const ran = new Promise<void>((resolve) => (twice = resolve));
  const task = await runScheduled({ expression: '* * * * * *', jitterMs: 0 }, () => {
    runs += 1;
    if (runs === 2) twice();
    return Promise.resolve();
  });
  // Its timer keeps nobody alive; something else has to.
  const keep = setInterval(() => undefined, 1000);
  await ran;
  clearInterval(keep);
  await task.destroy();
  expect(task.getStatus()).toBe('destroyed');
});
