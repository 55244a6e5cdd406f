/** Frames of the programs that do long work (native/job/README.md), and of the one that carries their bytes (native/carry/README.md). */

/** Kinds of frames; from 16 on those of reeve-carry. */
export const kinds = { data: 1, end: 2, ready: 3, progress: 4, problem: 5, row: 6, output: 7, result: 8, input: 9, settings: 16, taken: 17, go: 18, connected: 19, refused: 20 } as const;

/** The length of what follows it, and the kind. */
export const headBytes = 5;

/** Most bytes of a frame's payload. */
export const payloadBytes = 65_536;

/** A payload, given in pieces, as a frame, a long one as several: in one buffer, which is `room` when that is large enough. */
export function framesOf(kind: number, pieces: readonly Buffer[], room = Buffer.alloc(0)): Buffer {
  let rest = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const bytes = rest + headBytes * Math.max(1, Math.ceil(rest / payloadBytes));
  const out = bytes <= room.length ? room : Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  const begin = (): number => {
    const length = Math.min(rest, payloadBytes);
    at = out.writeUInt8(kind, out.writeUInt32BE(length + 1, at));
    rest -= length;
    return length;
  };
  let left = begin();
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      if (left === 0) left = begin();
      const copied = piece.copy(out, at, from, from + left);
      at += copied;
      from += copied;
      left -= copied;
    }
  }
  return out.subarray(0, bytes);
}
