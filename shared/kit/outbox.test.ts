import { expect, it } from 'vitest';
import { createOutbox } from './outbox.js';

it('gives what was put in order, and its end', async () => {
  const box = createOutbox<number>(10);
  for (const n of [1, 2, 3]) void box.put(n);
  box.end();
  const got: number[] = [];
  for await (const n of box) got.push(n);
  expect(got).toEqual([1, 2, 3]);
});

it('lets writers wait while nobody reads, and no longer', async () => {
  const box = createOutbox<number>(2);
  let written = 0;
  const writing = (async () => {
    for (let n = 0; n < 10; n++) {
      await box.put(n);
      written += 1;
    }
    box.end();
  })();
  await new Promise((resolve) => setImmediate(resolve));
  expect(written).toBe(1);
  const got: number[] = [];
  for await (const n of box) got.push(n);
  await writing;
  expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('ends with an error, after what was put before', async () => {
  const box = createOutbox<number>(4);
  void box.put(1);
  box.end(new Error('broken'));
  box.end();
  const got: number[] = [];
  await expect((async () => {
    for await (const n of box) got.push(n);
  })()).rejects.toThrow('broken');
  expect(got).toEqual([1]);
});

it('lets nobody wait for a reader that has gone', async () => {
  const box = createOutbox<number>(1);
  const waiting = box.put(1);
  for await (const n of box) {
    expect(n).toBe(1);
    break;
  }
  await waiting;
  await box.put(2);
});
