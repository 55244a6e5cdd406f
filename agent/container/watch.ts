import { canonicalJson } from '../../shared/model/canonical.js';
import { containerDigestModel } from '../../shared/model/container-state.js';
import type { Host } from '../host/host.js';
import type { ObservedNoun } from '../status/snapshot.js';
import { observeContainers } from './observe.js';

/** The watch over noun container; `present` says whether anything of it is managed. That one ends no file tells, so that it is looked every few minutes, which starts no program. */
export function containerWatch(host: Host, present: () => boolean): ObservedNoun {
  let last = '';
  const look = async (operationId: string): Promise<ReturnType<typeof containerDigestModel>> => containerDigestModel((await observeContainers(host.helper, operationId, 'managed')).containers);
  return {
    noun: 'container', operation: 'observe.container', part: 'container', present,
    moved: async (operationId) => canonicalJson(await look(operationId)) !== last,
    observe: async (operationId) => {
      const model = await look(operationId);
      last = canonicalJson(model);
      return model;
    },
  };
}
