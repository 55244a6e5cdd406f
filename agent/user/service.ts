import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import { newId } from '../../shared/kit/id.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { userDigestModel } from '../../shared/model/user.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import type { Engine } from '../engine/engine.js';
import { withHost } from '../engine/apply.js';
import type { Host } from '../host/host.js';
import { requirePolicy } from '../policy/policy.js';
import type { UserWork } from './apply.js';
import { observeUsers } from './observe.js';
import { formatObservedUser } from './render.js';

/** reeve.agent.v1.UserService. */
export function userService(options: { engine: Engine; work: UserWork; host: Host; hostName: string }): Service<Coordinator> {
  const { engine, work, host, hostName } = options;
  return defineService<UserServiceDefinition, Coordinator>('reeve.agent.v1.UserService', {
    ApplyUser: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 1024 * 1024, deadlineMs: 600_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    ObserveUser: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 5, burst: 20 }, maxBytes: 1024, deadlineMs: 60_000,
      handle: async (request) => {
        requirePolicy(host, hostName, 'observe.user');
        try {
          const observed = await engine.read('user', () => observeUsers(host.helper, newId(host.clock.now()), request.all ? 'all' : 'managed'));
          return { users: observed.map(formatObservedUser), digest: nounDigest('user', userDigestModel(observed)) };
        } catch (error) {
          throw withHost(error, hostName);
        }
      },
    },
  });
}
