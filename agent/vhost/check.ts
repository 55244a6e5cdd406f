import { nameOfFileBase } from '../../shared/model/vhost-name.js';
import type { Vhost } from '../../shared/model/vhost.js';
import { askAgain } from '../engine/apply.js';
import type { Helper } from '../host/host.js';
import type { Decision, WantedSite } from './decide.js';
import type { Engine, SiteFile } from './engine.js';
import type { ObservedVhosts } from './observe.js';
import { formatSet, layOut, type SitePair } from './set.js';
import type { ParkedSite } from './store.js';

/** Files of sites, each rendered once. */
export interface Rendered {
  readonly files: (name: string) => readonly SiteFile[];
  /** Bytes of them. */
  readonly sizeOf: (name: string) => number;
}

/** Renders wanted sites when somebody asks for them. */
export function renderSites(engine: Engine, wanted: readonly WantedSite[]): Rendered {
  const byName = new Map(wanted.map((row) => [row.site.name, row]));
  const rendered = new Map<string, readonly SiteFile[]>();
  const files = (name: string): readonly SiteFile[] => {
    const row = byName.get(name);
    const known = rendered.get(name) ?? (row === undefined ? [] : engine.render(row.site, row.sha));
    rendered.set(name, known);
    return known;
  };
  return { files, sizeOf: (name) => files(name).reduce((sum, { text }) => sum + Buffer.byteLength(text), 0) };
}

/** A set that the helper has laid out and tried. */
export interface CheckedSet {
  /** Its digest, hexadecimal. */
  readonly set: string;
  /** Sites that the web server refused. */
  readonly refused: readonly ParkedSite[];
}

/** What is laid out. */
export interface CheckInput {
  readonly observed: ObservedVhosts;
  readonly decisions: readonly Decision[];
  /** Names of the sites that are made now. */
  readonly part: readonly string[];
  readonly rendered: Rendered;
  readonly makePair: (site: Vhost) => SitePair;
  readonly take: string | undefined;
}

/** Has the helper lay a set out and try it: each site alone, and with the others. Errors: those of vhost.check. */
export async function checkSet(helper: Helper, operationId: string, input: CheckInput): Promise<CheckedSet> {
  const { observed, decisions, part, rendered, makePair, take } = input;
  const set = formatSet(layOut({ observed, decisions, part: new Set(part), render: rendered.files, makePair }));
  try {
    const reply = await askAgain(() => helper.call('vhost.check', operationId, take === undefined ? { set } : { set, take }));
    return {
      set: Buffer.from(reply.set).toString('hex'),
      refused: reply.parked.map(({ site, problem, before }) => ({ name: nameOfFileBase(site), problem: problem.slice(0, 1024), before })),
    };
  } finally {
    // Keys may be in it.
    set.fill(0);
  }
}
