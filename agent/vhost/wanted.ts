import { ReeveError } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { checkVhosts, mostVhost, parseVhost, parseVhosts, vhostModelText, type Vhost, type WireVhost } from '../../shared/model/vhost.js';
import type { WantedSite } from './decide.js';

/** What is wanted of the sites of a host. */
export interface WantedVhosts {
  /** `look`: nothing is; the host is only looked at. */
  readonly purpose: 'make' | 'look';
  readonly mode: 'plan' | 'apply';
  /** By name. */
  readonly sites: readonly WantedSite[];
  /** Names of those for whose sake it is asked. */
  readonly about: ReadonlySet<string>;
  /** A file of somebody else whose sites these take over. */
  readonly takeOver: string | undefined;
  /** Also when they answer otherwise than those of that file. */
  readonly acceptDifferences: boolean;
  /** Only what takes a site away. */
  readonly removalsOnly: boolean;
}

/** Nothing is wanted. */
export const nothingWanted: WantedVhosts = { purpose: 'look', mode: 'plan', sites: [], about: new Set(), takeOver: undefined, acceptDifferences: false, removalsOnly: false };

/** The path of a file of the web server's configuration. Errors: FIELD_INVALID. */
export function parseSitePath(field: string, text: string): string {
  if (!/^\/[!-~]{1,1023}$/.test(text) || /\/\.{0,2}(?:\/|$)/.test(text)) throw fieldInvalid(field, text, 'the absolute path of a file, in its shortest form');
  return text;
}

/** Reads sites of requests. */
export interface SiteReader {
  /** All sites of a request, by name. Errors: those of parseVhosts. */
  read(wires: readonly WireVhost[]): readonly WantedSite[];
}

/** How long sites of a request are remembered, ms. */
const rememberMs = 60_000;

/**
 * A reader that remembers the last request for a minute: what is planned is soon applied, and of many sites few have changed. A site is known by all that the wire says
 * of it.
 */
export function createSiteReader(): SiteReader {
  let known = new Map<string, WantedSite>();
  let timer: NodeJS.Timeout | undefined;
  return {
    read(wires) {
      const rows = new Map<string, WantedSite>();
      for (const wire of wires) {
        const key = JSON.stringify(wire);
        const row = known.get(key) ?? readOne(wire);
        // The whole request says which one it is.
        if (row === undefined) return nameModels(parseVhosts(wires));
        rows.set(key, row);
      }
      const sites = [...rows.values()].sort((a, b) => (a.site.name < b.site.name ? -1 : 1));
      if (rows.size < wires.length || wires.length > mostVhost.sites) return nameModels(parseVhosts(wires));
      checkVhosts(sites.map(({ site }) => site));
      known = rows;
      clearTimeout(timer);
      timer = setTimeout(() => void (known = new Map()), rememberMs).unref();
      return sites;
    },
  };
}

/** undefined: it is not as it should be. */
function readOne(wire: WireVhost): WantedSite | undefined {
  try {
    return nameModels([parseVhost(wire)])[0];
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  }
}

/** Sites with the digests that stand for them. */
export function nameModels(sites: readonly Vhost[]): readonly WantedSite[] {
  return sites.map((site) => {
    const text = vhostModelText(site);
    return { site, text, sha: sha256(text).toString('hex') };
  });
}
