import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/KeyService.js';
import type { ObserveKeyResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ObserveKeyResponse.js';
import type { ObservedKeyInput } from '../../shared/gen/proto/reeve/type/v1/ObservedKey.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { withOwnExpiry } from '../../shared/model/key-file.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { withHost } from '../engine/apply.js';
import type { Engine } from '../engine/engine.js';
import { requirePolicy } from '../policy/policy.js';
import { modelOf, observeManaged, type KeyWork, type KeyWorkOptions } from './apply.js';
import { loginAccounts, observeOwn, observeSessions } from './observe.js';
import { formatManagedFile, formatOwnKey, formatSession } from './respond.js';

/** Most keys, files and logins of an answer, and about how many bytes of keys: an answer has an end. */
const most = { keys: 10_000, others: 1000, keyBytes: 800_000 };

/** reeve.agent.v1.KeyService. */
export function keyService(options: KeyWorkOptions & { readonly engine: Engine; readonly work: KeyWork }): Service<Coordinator> {
  const { engine, work, host, hostName } = options;
  return defineService<KeyServiceDefinition, Coordinator>('reeve.agent.v1.KeyService', {
    SyncAuthorizedKeys: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 1024 * 1024, deadlineMs: 600_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    ObserveKey: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 120_000,
      handle: async (request) => {
        requirePolicy(host, hostName, 'observe.key');
        try {
          return await engine.read('key', () => observeAll(options, newId(host.clock.now()), request));
        } catch (error) {
          throw withHost(error, hostName);
        }
      },
    },
  });
}

async function observeAll(options: KeyWorkOptions, operationId: string, asked: { readonly foreign: boolean; readonly sessions: boolean }): Promise<ObserveKeyResponseInput> {
  const { helper } = options.host;
  const managed = await observeManaged(options, operationId);
  const { files, sshd, stored } = managed;
  const own = new Map(stored?.manifest?.users.map(({ user, lines }) => [user, lines]) ?? []);
  const keys = files.filter((file) => file.marked).flatMap((file) => formatManagedFile(file, withOwnExpiry(file.lines, own.get(file.user) ?? [])));
  const names = loginAccounts(options.host.readAccounts().passwd, files.map((file) => file.user));
  const foreign = asked.foreign ? await observeOwn(helper, operationId, names, sshd.paths) : undefined;
  const sessions = asked.sessions ? await observeSessions(helper, operationId) : [];
  const sorted = (foreign?.keys ?? []).toSorted((a, b) => compare(a.user, b.user) || compare(a.path, b.path) || a.line - b.line);
  const all = [...keys, ...sorted.map(formatOwnKey)];
  const shown = cut(all);
  const { dropIn, paths, others } = sshd;
  return {
    keys: [...shown],
    unread: (foreign?.unread ?? []).slice(0, most.others),
    sessions: sessions.slice(0, most.others).map(formatSession),
    digest: nounDigest('key', modelOf(managed)),
    sshd: foreign === undefined ? null : { paths: [...paths], dropIn, others: others.slice(0, 64).map((other) => other.slice(0, 1024)) },
    truncated: shown.length < all.length || foreign?.truncated === true || sessions.length > most.others || (foreign?.unread.length ?? 0) > most.others,
  };
}

/** As many keys as an answer holds. */
function cut(keys: readonly ObservedKeyInput[]): readonly ObservedKeyInput[] {
  let bytes = 0;
  const end = keys.findIndex((key, index) => {
    bytes += 200 + (key.key?.blob?.length ?? 0) + (key.options?.from?.join().length ?? 0);
    return index >= most.keys || bytes > most.keyBytes;
  });
  return end < 0 ? keys : keys.slice(0, end);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
