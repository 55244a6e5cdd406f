import { reeveError } from '../../shared/errors/error.js';
import type { Canonical } from '../../shared/model/canonical.js';
import type { Vhost } from '../../shared/model/vhost.js';
import type { Restored, Saved } from '../engine/undo.js';
import type { ObservedVhosts } from './observe.js';

/** The models of the sites that are in place: canonical JSON by sha256, as far as they are known. */
export type KnownModels = ReadonlyMap<string, string>;

/** What is wanted when operations are taken back. */
export interface RestoredVhosts {
  readonly sites: readonly Vhost[];
  /** The sites that are made as they were. */
  readonly about: readonly string[];
}

/** The sites of these names as they are, for taking a change back: their models; null: there is no such site. A file of somebody else is no site. */
export function keepVhosts(names: readonly string[], { sites }: ObservedVhosts, known: KnownModels): readonly Saved[] {
  return names.map((name) => {
    const site = sites.get(name);
    if (site === undefined) return { name, object: null };
    const text = known.get(site.modelSha);
    return { name, object: text === undefined ? { unknown: site.modelSha } : { model: JSON.parse(text) as Canonical } };
  });
}

/**
 * The set with which the kept sites are as they were, all others as they are now. `parse` reads a model. Errors: UNDO_NOTHING when the model of a site is not known here:
 * the host cannot say any more what it was made from.
 */
export function restoreVhosts(saved: readonly Saved[], { sites }: ObservedVhosts, known: KnownModels, parse: (model: Canonical) => Vhost): Restored<RestoredVhosts> {
  const unknown = (name: string): never => {
    throw reeveError('UNDO_NOTHING', { noun: 'vhost', rule: `it is not known here what site "${name}" is made from; it is after the next change of sites by a coordinator` });
  };
  const wanted = new Map<string, () => Vhost>();
  for (const { name, modelSha } of sites.values()) {
    wanted.set(name, () => {
      const text = known.get(modelSha);
      return text === undefined ? unknown(name) : parse(JSON.parse(text) as Canonical);
    });
  }
  const notes: string[] = [];
  const about: string[] = [];
  for (const { name, object } of saved) {
    if (name.startsWith('/')) {
      notes.push(`file ${name} of somebody else stays out of the configuration`);
      continue;
    }
    about.push(name);
    const model = object === null ? undefined : (object as { readonly model?: Canonical }).model;
    if (object === null) wanted.delete(name);
    else wanted.set(name, () => (model === undefined ? unknown(name) : parse(model)));
    if (object !== null && !sites.has(name)) notes.push(`site "${name}" is served again`);
  }
  const names = [...wanted.keys()].sort();
  return { wanted: { sites: names.flatMap((name) => wanted.get(name)?.() ?? []), about: about.filter((name) => wanted.has(name)) }, notes };
}
