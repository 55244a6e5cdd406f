/** The same events, and where there are none for so long (ms), a beat. Whoever stops reading ends them. */
export async function* withBeats<T, B>(events: AsyncIterable<T>, beat: B, everyMs: number): AsyncGenerator<T | B> {
  const iterator = events[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), everyMs)));
      const came = await Promise.race([next, silence]).finally(() => clearTimeout(timer));
      if (came === undefined) yield beat;
      else if (came.done === true) return;
      else {
        yield came.value;
        next = iterator.next();
      }
    }
  } finally {
    // Its last answer is nobody's any more.
    next.catch(() => undefined);
    void iterator.return?.();
  }
}
