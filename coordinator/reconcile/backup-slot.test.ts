import { expect, it } from 'vitest';
import { createSlots } from './backup-slot.js';

const ever = new AbortController().signal;

it('gives places of a destination in the order in which they were asked for', async () => {
  const slots = createSlots(2);
  const order: string[] = [];
  const first = await slots.take('a', ever);
  const second = await slots.take('a', ever);
  const third = slots.take('a', ever).then((release) => (order.push('third'), release));
  const fourth = slots.take('a', ever).then((release) => (order.push('fourth'), release));
  (await slots.take('b', ever))();
  expect(order).toEqual([]);
  first();
  first();
  const release = await third;
  expect(order).toEqual(['third']);
  second();
  (await fourth)();
  release();
  expect(order).toEqual(['third', 'fourth']);
});

it('lets go who does not wait any more, and gives the place to the next', async () => {
  const slots = createSlots(1);
  const release = await slots.take('a', ever);
  const stop = new AbortController();
  const gone = slots.take('a', stop.signal);
  const next = slots.take('a', ever);
  stop.abort('cancelled');
  await expect(gone).rejects.toThrow('not waited for');
  release();
  (await next)();
  await expect(slots.take('a', stop.signal)).rejects.toBe('cancelled');
});
