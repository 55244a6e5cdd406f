import type { Vhost } from '../../shared/model/vhost.js';
import { fileBase } from '../../shared/model/vhost-name.js';
import type { Decision } from './decide.js';
import type { SiteFile } from './engine.js';
import type { ObservedVhosts } from './observe.js';

/** One file of a set: it stays as it was written, or is written. */
export type SetEntry = { readonly name: string; readonly keep: string } | { readonly name: string; readonly put: string };

/** A certificate and its key, PEM. */
export interface SitePair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** What a set is laid out from. */
export interface LayOutInput {
  readonly observed: ObservedVhosts;
  readonly decisions: readonly Decision[];
  /** Names of the sites that are made now; others that are to be made stay as they are. */
  readonly part: ReadonlySet<string>;
  readonly render: (name: string) => readonly SiteFile[];
  readonly makePair: (site: Vhost) => SitePair;
}

/** Largest part of a set that is sent to the helper at once, bytes of what is written: a request to it has an end. */
const mostBytes = 3 * 1024 * 1024;

/** About what a pair and the headings of its entries take, bytes. */
const pairBytes = 1600;

/** The sites that are made, in as few parts as can be sent to the helper at once; at least one. `sizeOf`: bytes of the files of a site. */
export function partsOf(decisions: readonly Decision[], sizeOf: (name: string) => number): readonly (readonly string[])[] {
  const parts: string[][] = [[]];
  let bytes = 0;
  for (const decision of decisions) {
    if (decision.kind !== 'make') continue;
    const size = sizeOf(decision.name) + (decision.pair === 'made' ? pairBytes : 0);
    if (bytes > 0 && bytes + size > mostBytes) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(decision.name);
    bytes += size;
  }
  return parts;
}

/** All files of the set, sorted by name. What is missing on the host and is not made anew is left out. */
export function layOut({ observed, decisions, part, render, makePair }: LayOutInput): readonly SetEntry[] {
  const kept = (name: string, only: (file: string) => boolean): SetEntry[] =>
    (observed.sites.get(name)?.files ?? []).flatMap((file) => (file.state !== 'missing' && only(file.name) ? [{ name: file.name, keep: file.sha256 }] : []));
  const entries = decisions.flatMap((decision): SetEntry[] => {
    if (decision.kind === 'go') return [];
    if (decision.kind !== 'make' || !part.has(decision.name)) return kept(decision.name, () => true);
    const files = render(decision.name).map(({ name, text }): SetEntry => ({ name, put: text }));
    if (decision.pair === 'none') return files;
    if (decision.pair === 'kept') return [...files, ...kept(decision.name, (file) => /\.(?:crt|key)$/.test(file))];
    const { certPem, keyPem } = makePair(decision.wanted.site);
    const base = fileBase(decision.name);
    return [...files, { name: `${base}.crt`, put: certPem }, { name: `${base}.key`, put: keyPem }];
  });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A set as the helper takes it. */
export function formatSet(entries: readonly SetEntry[]): Buffer {
  const chunks: Buffer[] = [];
  // Most of a large set stays as it is.
  let text = '';
  for (const entry of entries) {
    if ('keep' in entry) {
      text += `keep ${entry.name} ${entry.keep}\n`;
      continue;
    }
    const bytes = Buffer.from(entry.put, 'utf8');
    chunks.push(Buffer.from(`${text}put ${entry.name} ${String(bytes.length)}\n`), bytes);
    text = '\n';
  }
  return Buffer.concat([...chunks, Buffer.from(text)]);
}
