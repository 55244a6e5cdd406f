import type { ErrorItem } from '../../shared/errors/error.js';
import { fieldInvalid, parseInteger, parsePattern } from '../../shared/model/field.js';
import { parseHoldNoun } from '../../shared/model/hold.js';
import { parseId } from '../../shared/model/id.js';
import type { UndoOffer } from '../undo/undo.js';

/** What root can ask of the agent over its socket: one line of JSON, answered by one line. */
export type LocalRequest =
  | { readonly ask: 'plan'; readonly noun: string; readonly to: number | undefined }
  | { readonly ask: 'apply'; readonly noun: string; readonly targets: readonly string[]; readonly operationId: string; readonly digest: string };

/** The answer. */
export type LocalReply = { readonly kind: 'offer'; readonly offer: UndoOffer } | { readonly kind: 'done' } | { readonly kind: 'failed'; readonly errors: readonly ErrorItem[] };

/** Longest line, bytes. */
export const mostLineBytes = 4 * 1024 * 1024;

/** A request from its line. Errors: FIELD_INVALID, FIELD_MISSING; SyntaxError. */
export function parseLocalRequest(line: string): LocalRequest {
  const value = JSON.parse(line) as Readonly<Record<string, unknown>> | null;
  const text = (name: string): string => {
    const field = value?.[name];
    return typeof field === 'string' ? field : '';
  };
  const noun = parseHoldNoun(text('noun'));
  switch (text('ask')) {
    case 'plan': {
      const to = value?.['to'];
      return { ask: 'plan', noun, to: to === undefined ? undefined : parseInteger('generation', Number(to), { min: 0, max: Number.MAX_SAFE_INTEGER }) };
    }
    case 'apply': {
      const targets = value?.['targets'];
      return {
        ask: 'apply', noun,
        targets: (Array.isArray(targets) ? (targets as unknown[]) : []).map((id) => parseId('operation id', String(id))),
        operationId: parseId('operation id', text('operationId')),
        digest: parsePattern('digest', text('digest'), /^[0-9a-f]{64}$/, '64 hex digits'),
      };
    }
    default:
      throw fieldInvalid('ask', text('ask'), 'plan or apply');
  }
}
