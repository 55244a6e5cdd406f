import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from 'diff';

/** Longest diff that is told, bytes: UTF-8, cut at a line. */
const mostBytes = 65_536;

/** Lines that come and go, at most; where two texts differ by more, nobody reads how. */
const mostLines = 1000;

/** A unified diff of a file; undefined: the file is not there. Empty: the texts are the same, or too far from each other to be compared. */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return '';
  const [from, to] = [before === undefined ? '/dev/null' : path, after === undefined ? '/dev/null' : path];
  const patch = structuredPatch(from, to, before ?? '', after ?? '', undefined, undefined, { context: 3, maxEditLength: mostLines });
  return patch === undefined ? '' : cut(formatPatch(patch, FILE_HEADERS_ONLY));
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= mostBytes) return text;
  return bytes.subarray(0, bytes.lastIndexOf(0x0a, mostBytes - 1) + 1).toString('utf8');
}
