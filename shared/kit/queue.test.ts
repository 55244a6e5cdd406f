import { describe, expect, it } from 'vitest';
import { createKeyedQueue } from './queue.js';

/** A task that ends when it is told to. */
function held(done: string[], name: string) {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  return {
    release: () => release(),
    task: async () => {
      await gate;
      done.push(name);
    },
  };
}

describe('a keyed queue', () => {
  it('keeps the order of a key and lane, and lets neither the other lane nor other keys wait', async () => {
    const queue = createKeyedQueue();
    const done: string[] = [];
    const [slow, next, urgent, more, other] = ['slow', 'next', 'urgent', 'more', 'other'].map((name) => held(done, name));
    const all = [
      queue.run('a', () => slow!.task()),
      queue.run('a', () => next!.task()),
      queue.run('a', () => urgent!.task(), 'urgent'),
      queue.run('a', () => more!.task(), 'urgent'),
      queue.run('b', () => other!.task()),
    ];
    next!.release();
    more!.release();
    other!.release();
    await all[4];
    expect(done).toEqual(['other']);
    urgent!.release();
    await Promise.all([all[2], all[3]]);
    expect(done).toEqual(['other', 'urgent', 'more']);
    expect(queue.size).toBe(1);
    slow!.release();
    await Promise.all(all);
    expect(done).toEqual(['other', 'urgent', 'more', 'slow', 'next']);
    expect(queue.size).toBe(0);
  });

  it('goes on after a task that fails', async () => {
    const queue = createKeyedQueue();
    const failing = queue.run('a', () => Promise.reject(new Error('no')));
    const after = queue.run('a', () => Promise.resolve('yes'));
    await expect(failing).rejects.toThrow('no');
    expect(await after).toBe('yes');
  });
});
