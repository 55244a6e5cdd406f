import type { ApplyUserResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserResponse.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import { parseChange } from '../../shared/model/change.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { desiredUsers } from '../desired/user.js';
import { forgetUsers, settleUsers, usersOf } from '../inventory/user.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<UserServiceDefinition>('reeve.agent.v1.UserService');
const deadlineMs = 120_000;

/** Noun user: operating-system accounts. */
export const userNoun: Noun = {
  name: 'user',
  method: 'reeve.agent.v1.UserService/ApplyUser',
  deadlineMs,
  desired: (db, hostId) => desiredUsers(usersOf(db, hostId).map((row) => row.user)),
  nothing: desiredUsers([]),
  forget({ db }, hostId) {
    forgetUsers(db, hostId);
    return [];
  },
  async send({ fleet, host }, intent, desired) {
    const users = desired as ReturnType<typeof desiredUsers>;
    return fromResponse(await fleet.call(host, service, 'ApplyUser', { intent, users }, { deadlineMs }));
  },
  decode: (response) => fromResponse(messageCodec<never, ApplyUserResponse>('reeve.agent.v1.ApplyUserResponse').decode(response)),
};

function fromResponse(response: ApplyUserResponse): Applied {
  const uids = new Map(response.users.filter((user) => user.present).map((user) => [user.name, user.uid]));
  return {
    changes: response.changes.slice(0, 10_000).map(parseChange),
    digest: response.digest,
    policyDigest: response.policyDigest,
    held: parseHeld(response.held),
    settle: (db, hostId, generation) => settleUsers(db, hostId, generation, uids),
  };
}
