import { sha256 } from '../../shared/kit/digest.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { vhostModelText, type Vhost } from '../../shared/model/vhost.js';
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
  /** Only what takes a site away. */
  readonly removalsOnly: boolean;
}

/** Nothing is wanted. */
export const nothingWanted: WantedVhosts = { purpose: 'look', mode: 'plan', sites: [], about: new Set(), takeOver: undefined, removalsOnly: false };

/** The path of a file of the web server's configuration. Errors: FIELD_INVALID. */
export function parseSitePath(field: string, text: string): string {
  if (!/^\/[!-~]{1,1023}$/.test(text) || /\/\.{0,2}(?:\/|$)/.test(text)) throw fieldInvalid(field, text, 'the absolute path of a file, in its shortest form');
  return text;
}

/** Sites with the digests that stand for them. */
export function nameModels(sites: readonly Vhost[]): readonly WantedSite[] {
  return sites.map((site) => {
    const text = vhostModelText(site);
    return { site, text, sha: sha256(text).toString('hex') };
  });
}
