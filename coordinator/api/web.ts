import type { WatchFleetEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/WatchFleetEvent.js';
import type { WebServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/WebService.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { rolesFrom } from '../../shared/model/role.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { revisionAfter, revisionOf } from '../inventory/revision.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { administersFleet, reads } from './row.js';
import { closeSession, createWebLoginTools, listLogins, openSession, removeLogin, setLogin } from './web-login.js';
import { addOwnKey, removeOwnKey, selfOf } from './web-own.js';

/** What somebody with a session may do, whatever else they may: persons too. */
const own = { ...reads, roles: ['viewer', 'person'] } as const;

/** Changing one's own keys: rarely by hand. */
const ownChanges = { ...own, risk: 'change', rate: { perSecond: 0.2, burst: 20 } } as const;

/** Shortest time between two events of a watch, ms. */
const watchMs = 1_000;

/** Logins to the status page, and what its sessions may do beside what viewers may. */
export function webService(office: () => Office): Service<OperatorCaller> {
  const tools = createWebLoginTools();
  return defineService<WebServiceDefinition, OperatorCaller>('reeve.coordinator.v1.WebService', {
    OpenSession: { roles: ['web'], risk: 'identity', rate: { perSecond: 20, burst: 60 }, maxBytes: 2_048, deadlineMs: 20_000, handle: (request) => openSession(office(), tools, request) },
    CloseSession: {
      ...own,
      handle: (_request, { principal }) => {
        closeSession(office(), principal);
        return Promise.resolve({});
      },
    },
    GetSelf: { ...own, handle: (request, { principal }) => Promise.resolve(selfOf(office(), principal, request.brief)) },
    AddOwnKey: { ...ownChanges, handle: (request, context) => addOwnKey(office(), context, request) },
    RemoveOwnKey: { ...ownChanges, handle: (request, context) => removeOwnKey(office(), context, request) },
    WatchFleet: { ...reads, roles: [...rolesFrom('viewer'), 'person'], handle: (_request, { signal }) => watch(office(), signal) },
    SetWebLogin: { ...administersFleet, handle: (request, { principal }) => setLogin(office(), tools, principal, request) },
    ListWebLogin: { ...reads, handle: (_request, { principal }) => Promise.resolve({ logins: listLogins(office(), principal) }) },
    RemoveWebLogin: {
      ...administersFleet,
      handle: (request, { principal }) => {
        removeLogin(office(), principal, request.name);
        return Promise.resolve({});
      },
    },
  });
}

/** The revision of now, then each that differs from the one told last. */
async function* watch({ db, clock }: Office, signal: AbortSignal): AsyncGenerator<WatchFleetEventInput> {
  while (!signal.aborted) {
    const revision = revisionOf(db);
    const toldAtMs = clock.monotonic();
    yield { revision };
    await revisionAfter(db, revision, signal);
    const waitMs = toldAtMs + watchMs - clock.monotonic();
    if (waitMs > 0) await waitFor(waitMs, signal);
  }
}
