import type { Readable, Writable } from 'node:stream';

/** From so many bytes on they are passed at once, and not together with what comes in the same turn. */
const enoughBytes = 65_536;

/**
 * Passes the bytes of one stream on to another one, and its end. What comes in one turn of the event loop is written together: a connection gives 16 KiB at a time, and
 * without a JIT compiler a small piece costs as much as a large one. What comes when the other stream takes nothing any more is dropped, so that its sender gets to its end.
 */
export function passOn(from: Readable, to: Writable): void {
  let pieces: Buffer[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (!to.writable) pieces = [];
    if (pieces.length === 0) return;
    let more = true;
    if (pieces.length > 1) to.cork();
    for (const piece of pieces) more = to.write(piece);
    if (pieces.length > 1) to.uncork();
    pieces = [];
    bytes = 0;
    if (!more) from.pause();
  };
  const go = (): void => void from.resume();
  from.on('data', (piece: Buffer) => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= enoughBytes) flush();
    else if (pieces.length === 1) setImmediate(flush);
  });
  from.once('end', () => {
    flush();
    to.end();
  });
  to.on('drain', go);
  to.once('close', go);
}
