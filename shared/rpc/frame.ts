import type { Frame } from './mux.js';

/** A frame as link.proto has it. */
export interface WireFrame {
  readonly connection: number;
  readonly message?: string;
  readonly data?: Buffer;
  readonly end?: boolean;
  readonly close?: string;
  readonly credit?: number;
  readonly open?: boolean;
}

/** A frame for the wire. */
export function formatFrame(frame: Frame): Omit<WireFrame, 'message'> {
  const { connection } = frame;
  switch (frame.message) {
    case 'open':
      return { connection, open: true };
    case 'data':
      return { connection, data: frame.data };
    case 'end':
      return { connection, end: true };
    case 'close':
      return { connection, close: frame.close };
    case 'credit':
      return { connection, credit: frame.credit };
  }
}

/** A frame from the wire; undefined: it is none. */
export function parseFrame(wire: WireFrame): Frame | undefined {
  const { connection } = wire;
  switch (wire.message) {
    case 'open':
      return { connection, message: 'open' };
    case 'data':
      return wire.data === undefined ? undefined : { connection, message: 'data', data: wire.data };
    case 'end':
      return { connection, message: 'end' };
    case 'close':
      return { connection, message: 'close', close: wire.close ?? '' };
    case 'credit':
      return { connection, message: 'credit', credit: wire.credit ?? 0 };
    default:
      return undefined;
  }
}
