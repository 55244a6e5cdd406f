import type { Vhost } from '../../shared/model/vhost.js';
import type { ForeignSite } from './observe.js';

/** A server block of somebody else that answers to a name of a site where that listens. */
export interface Claim {
  readonly block: ForeignSite;
  readonly name: string;
  readonly port: number;
}

/** The first claim of others on a site, besides those of one file; undefined: there is none. */
export function claimOn(site: Pick<Vhost, 'name' | 'aliases' | 'listens'>, foreign: readonly ForeignSite[], besides: string | undefined): Claim | undefined {
  const names = new Set([site.name, ...site.aliases]);
  const ports = new Set(site.listens.map(({ port }) => port));
  for (const block of foreign) {
    if (block.file === besides) continue;
    const name = namesOf(block).find((other) => names.has(other));
    if (name === undefined) continue;
    const port = portsOf(block).find((other) => ports.has(other));
    if (port !== undefined) return { block, name, port };
  }
  return undefined;
}

/** The names of a block as sites have them: `.example.org` is `example.org` and `*.example.org`. Expressions are no names. */
export function namesOf({ names }: Pick<ForeignSite, 'names'>): readonly string[] {
  return names.map((name) => name.toLowerCase()).flatMap((name) => (name.startsWith('.') ? [name.slice(1), `*${name}`] : name.startsWith('~') ? [] : [name]));
}

/** The ports of a block, by the words of its listen directives; none: 80, as nginx has it where root starts it. */
export function portsOf({ listens }: Pick<ForeignSite, 'listens'>): readonly number[] {
  return listens.length === 0 ? [80] : [...new Set(listens.flatMap((words) => portOf(words.split(' ')[0] ?? '')))];
}

/** `80`, `*:80`, `192.0.2.7:80`, `[::]:80`, or an address alone, which is port 80. A socket has none. */
function portOf(word: string): number[] {
  if (word.startsWith('unix:')) return [];
  const text = /(?:^|:)([0-9]{1,5})$/.exec(word)?.[1];
  if (text === undefined) return [80];
  const port = Number(text);
  return port >= 1 && port <= 65535 ? [port] : [];
}
