import { reeveError } from '../../shared/errors/error.js';
import type { ObserveVhostsResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ObserveVhostsResponse.js';
import type { ReadSiteResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ReadSiteResponse.js';
import type { ReadVhostResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ReadVhostResponse.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/VhostService.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { parseId } from '../../shared/model/id.js';
import { fileBase, parseSiteName } from '../../shared/model/vhost-name.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { withHost } from '../engine/apply.js';
import type { Engine } from '../engine/engine.js';
import { allows, readHostPolicy, requirePolicy } from '../policy/policy.js';
import { modelOf, type VhostWork } from './apply.js';
import { observeNow, type FrontOptions } from './look.js';
import { currentFolder } from './nginx/access.js';
import { readSiteFile } from './observe.js';
import { parseSitePath } from './wanted.js';

/** What VhostService needs. */
export interface VhostServiceOptions {
  readonly front: FrontOptions;
  readonly engine: Engine;
  readonly work: VhostWork;
}

/** Most rows of an answer, and about how many bytes of a file: an answer has an end. */
const most = { foreign: 1000, directives: 5000, bytes: 524_288 } as const;

/** reeve.agent.v1.VhostService. */
export function vhostService({ front, engine, work }: VhostServiceOptions): Service<Coordinator> {
  const between = async <T>(operation: string, task: () => Promise<T>): Promise<T> => {
    const { host, hostName } = front;
    requirePolicy(host, hostName, operation);
    try {
      return await engine.read('vhost', task);
    } catch (error) {
      throw withHost(error, hostName);
    }
  };
  return defineService<VhostServiceDefinition, Coordinator>('reeve.agent.v1.VhostService', {
    WriteVhosts: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 1024 * 1024, deadlineMs: 600_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    ObserveVhosts: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 60_000,
      handle: ({ foreign }) => between('observe.vhost', () => observeAll(front, foreign)),
    },
    ReadVhost: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 60_000,
      handle: ({ name }) => between('observe.vhost', () => readVhost(front, parseSiteName('name', name))),
    },
    ReadSite: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 4096, deadlineMs: 60_000,
      handle: ({ file }) => between('observe.vhost', () => readSite(front, parseSitePath('file', file))),
    },
    ReloadProxy: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 5, burst: 20 }, maxBytes: 1024, deadlineMs: 120_000,
      handle: ({ operationId }) => between('proxy.reload', () => reload(front, parseId('operation id', operationId))),
    },
  });
}

async function observeAll(front: FrontOptions, foreign: boolean): Promise<ObserveVhostsResponseInput> {
  const now = await observeNow(front, newId(front.host.clock.now()));
  const others = foreign ? now.foreign : [];
  return {
    vhosts: [...now.sites.values()].map(({ name, state, modelSha }) => ({ name, state, model: Buffer.from(modelSha, 'hex') })),
    parked: front.store.parked.map(({ name, problem, before }) => ({ name, problem, servesBefore: before })),
    foreign: others.slice(0, most.foreign).map(({ file, line, names, listens }) => ({ file: file.slice(0, 1024), line, names: names.slice(0, 64).map(short), listens: listens.slice(0, 16).map(short) })),
    engine: now.engine,
    running: now.running,
    digest: nounDigest('vhost', modelOf({ now })),
    truncated: now.truncated || others.length > most.foreign,
  };
}

async function readVhost(front: FrontOptions, name: string): Promise<ReadVhostResponseInput> {
  const id = newId(front.host.clock.now());
  const file = `${fileBase(name)}.conf`;
  const { sites } = await observeNow(front, id);
  const row = sites.get(name)?.files.find((other) => other.name === file);
  if (row === undefined || row.state === 'missing') throw reeveError('VHOST_UNKNOWN', { value: name });
  const { text } = await readSiteFile(front.host.helper, id, file);
  return { path: `${currentFolder}/${file}`, text: text.slice(0, most.bytes) };
}

async function readSite({ host }: FrontOptions, file: string): Promise<ReadSiteResponseInput> {
  const { directive, sha256, truncated } = await host.helper.call('observe.vhost', newId(host.clock.now()), { scope: 'site', file });
  const directives = directive.map(({ line, depth, word, block }) => ({ line, depth, words: [...word], block }));
  const bytes = directives.reduce((sum, { words }) => sum + words.reduce((total, text) => total + text.length + 2, 16), 0);
  if (truncated || directives.length > most.directives || bytes > most.bytes) throw reeveError('VHOST_FOREIGN_FILE', { value: file, rule: `it has more than ${String(most.directives)} directives, or is larger than ${String(most.bytes)} bytes` });
  return { directives, sha256: Buffer.from(sha256) };
}

async function reload(front: FrontOptions, operationId: string): Promise<{ engine: string }> {
  const { host } = front;
  await host.helper.call('proxy.reload', operationId, {});
  // A policy may let it be reloaded and not be looked at.
  return { engine: allows(readHostPolicy(host), 'observe.vhost') ? (await observeNow(front, newId(host.clock.now()))).engine : '' };
}

function short(text: string): string {
  return text.slice(0, 253);
}
