import { expect, test } from 'vitest';
import { withBeats } from './beat.js';
import { createEventQueue } from './event-queue.js';

test('events come as they are, with beats where there are none, and end with an error as they do', async () => {
  const queue = createEventQueue<number>();
  queue.push(1);
  queue.push(2);
  const heard: (number | 'beat')[] = [];
  const reading = (async () => {
    for await (const event of withBeats(queue, 'beat' as const, 5)) {
      heard.push(event);
      if (heard.length === 4) queue.push(3);
      if (event === 3) queue.end(new Error('over'));
    }
  })();
  await expect(reading).rejects.toThrow('over');
  expect(heard.slice(0, 4)).toEqual([1, 2, 'beat', 'beat']);
  expect(heard.filter((event) => event !== 'beat')).toEqual([1, 2, 3]);
});

test('whoever stops reading ends them', async () => {
  let ended = false;
  async function* events(): AsyncGenerator<number> {
    try {
      yield await Promise.resolve(1);
      yield 2;
    } finally {
      ended = true;
    }
  }
  for await (const event of withBeats(events(), 0, 1_000)) if (event === 1) break;
  expect(ended).toBe(true);
});
