import { catalogue, type ErrorCode } from './catalogue.js';

/** One error of the catalogue as data: what travels on the wire and is shown to people. */
export interface ErrorItem {
  readonly code: ErrorCode;
  /** Values of the placeholders in the catalogue's message and remedy. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What every part of Reeve throws for a caller to act on. Callers branch on `code`. */
export class ReeveError extends Error {
  readonly code: ErrorCode;
  readonly fields: Readonly<Record<string, string>>;
  /** All problems when there are several; the first one is this error itself. */
  readonly items: readonly ErrorItem[];
  /** Where the details are in the log of the side that refused, when it said so. */
  readonly correlation: string | undefined;

  constructor(items: readonly ErrorItem[], options: { cause?: unknown; correlation?: string } = {}) {
    const first = items[0] ?? { code: 'INTERNAL' as const, fields: {} };
    super(formatMessage(first), { cause: options.cause });
    this.name = 'ReeveError';
    this.code = first.code;
    this.fields = first.fields;
    this.items = items.length > 0 ? items : [first];
    this.correlation = options.correlation;
  }
}

/** Makes an error of the catalogue to throw. */
export function reeveError(code: ErrorCode, fields: Readonly<Record<string, string>> = {}, options: { cause?: unknown } = {}): ReeveError {
  return new ReeveError([{ code, fields }], options);
}

/** Whether a text is a code of the catalogue. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(catalogue, text);
}

/** The message of an error for people; a placeholder without a value reads `?`. */
export function formatMessage(item: ErrorItem): string {
  return fill(catalogue[item.code].message, item.fields);
}

/** What to do about an error, for people; empty when there is nothing to add. */
export function formatRemedy(item: ErrorItem): string {
  return fill(catalogue[item.code].remedy, item.fields);
}

function fill(template: string, fields: Readonly<Record<string, string>>): string {
  return template.replace(/\{([a-z]+)\}/g, (_match, name: string) => fields[name] ?? '?');
}

/** Any thrown thing as catalogue items: a ReeveError's own, else INTERNAL with the given correlation. */
export function errorItems(error: unknown, correlation: string): readonly ErrorItem[] {
  return error instanceof ReeveError ? error.items : [{ code: 'INTERNAL', fields: { correlation } }];
}
