import type { FieldChange } from '../../shared/model/change.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import type { KeyFile } from '../../shared/model/key-file.js';
import { formatKeyLine, formatKeyOptions, type KeyLine, type PublicKey } from '../../shared/model/key.js';

/** Most fields of one change: more are counted. */
const mostFields = 60;

/** Characters of a fingerprint that tell keys apart for people. */
const shortLength = 'SHA256:'.length + 12;

/** The beginning of a fingerprint, as ssh-keygen(1) shows it. */
export function shortFingerprint(hex: string): string {
  return formatFingerprint(hex).slice(0, shortLength);
}

/** Who a line lets in, and with which restrictions. */
export function describeLine(line: KeyLine): string {
  const options = formatKeyOptions(line.options);
  return [line.comment === '' ? line.key.type : line.comment, options === '' ? '' : `(${options})`].filter((part) => part !== '').join(' ');
}

/** Keys that come, go, or change, those that go first. Lines have their own expiries. */
export function renderKeys(before: readonly KeyLine[], after: readonly KeyLine[], fingerprint: (key: PublicKey) => string): readonly FieldChange[] {
  const [was, is] = [byKey(before), byKey(after)];
  const row = (line: KeyLine): FieldChange => {
    const text = (known: ReadonlyMap<string, KeyLine>): string => {
      const found = known.get(line.key.base64);
      return found === undefined ? '' : describeLine(found);
    };
    return { field: `key ${shortFingerprint(fingerprint(line.key))}`, from: text(was), to: text(is) };
  };
  const gone = before.filter((line) => !is.has(line.key.base64));
  const rows = [...gone, ...after].map(row).filter((field) => field.from !== field.to);
  if (rows.length > 0) return rows;
  const order = (lines: readonly KeyLine[]): string => lines.map((line) => line.key.base64).join();
  return order(before) === order(after) ? [] : [{ field: 'order', from: 'another', to: 'as wanted' }];
}

/** What is in a file besides keys that can be managed: it goes. */
export function renderProblems(file: KeyFile | undefined): readonly FieldChange[] {
  return (file?.problems ?? []).map(({ line, problem }) => ({ field: line === 0 ? 'file' : `line ${String(line)}`, from: problem, to: '' }));
}

/** At most as many fields as a change may have. */
export function limitFields(fields: readonly FieldChange[]): readonly FieldChange[] {
  if (fields.length <= mostFields) return fields;
  return [...fields.slice(0, mostFields - 1), { field: 'more', from: '', to: `${String(fields.length - mostFields + 1)} keys` }];
}

/** Whether two lists of lines are the same text. */
export function sameLines(a: readonly KeyLine[], b: readonly KeyLine[]): boolean {
  return a.length === b.length && a.every((line, index) => formatKeyLine(line) === formatKeyLine(b[index] ?? line));
}

function byKey(lines: readonly KeyLine[]): ReadonlyMap<string, KeyLine> {
  return new Map(lines.map((line) => [line.key.base64, line]));
}
