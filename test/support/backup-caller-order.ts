import type { LabHost } from '../lab/lab.js';
import { fromText, toText } from './abuse-text.js';
import { startLineProgram } from './line-program.js';

/** Key and certificate that are shown, PEM. */
export interface Shown {
  readonly key: string;
  readonly certificate: string;
}

/** What the caller is to do. */
export type CallerOrder =
  /** Begin a side under a grant: answers its first word, or the code of the refusal. */
  | { readonly kind: 'start'; readonly name: string; readonly address: string; readonly shown?: Shown; readonly side: 'sender' | 'receiver'; readonly grant: Uint8Array; readonly signature: Uint8Array }
  /** Have that side listen. */
  | { readonly kind: 'listen'; readonly name: string }
  /** End that call. */
  | { readonly kind: 'stop'; readonly name: string }
  /** Dial a data port, perhaps with a mark before TLS, and say something: answers how many bytes came inside TLS until the other side closed, or for three seconds. */
  | { readonly kind: 'dial'; readonly address: string; readonly shown?: Shown; readonly hello: string; readonly mark?: string };

/** What came of it: a word, a code or a number of bytes; and what is said with it. */
export interface CallerAnswer {
  readonly kind: string;
  readonly text: string;
}

/** Starts backup-caller.ts in a host that has the description of the API in `folder`. */
export async function startBackupCaller(host: LabHost, folder: string): Promise<{ ask(order: CallerOrder): Promise<CallerAnswer>; close(): void }> {
  const { ask, close } = await startLineProgram(host, { entry: 'backup-caller.ts', path: `${folder}/backup-caller.mjs` });
  return { ask: async (order) => fromText(await ask(toText(order))) as CallerAnswer, close };
}
