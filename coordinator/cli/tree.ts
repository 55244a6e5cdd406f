import { accessNoun } from './access.js';
import { auditNoun } from './audit.js';
import { backupNoun } from './backup.js';
import { certNoun } from './cert.js';
import type { Command, Noun } from './command.js';
import { completionNoun } from './completion.js';
import { containerNoun } from './container.js';
import { doctorNoun } from './doctor.js';
import { fleetNoun } from './fleet.js';
import { grantNoun } from './grant.js';
import { groupNoun } from './group.js';
import { hostNoun } from './host.js';
import { initNoun } from './init.js';
import { keyNoun } from './key.js';
import { logNoun } from './log.js';
import { loginNoun, logoutNoun } from './login.js';
import { metricNoun } from './metric.js';
import { natNoun } from './nat.js';
import { operationNoun } from './operation.js';
import { operatorNoun, whoamiNoun } from './operator.js';
import { personNoun } from './person.js';
import { alertNoun } from './alert.js';
import { applyNoun, pendingNoun, planNoun } from './plan.js';
import { policyNoun } from './policy.js';
import { proxyNoun } from './proxy.js';
import { revokeNoun } from './revoke.js';
import { statusNoun } from './status.js';
import { unitNoun } from './unit.js';
import { userNoun } from './user.js';
import { vhostNoun } from './vhost.js';
import { webNoun } from './web.js';
import { whyNoun } from './why.js';

/** All nouns, in the order of the help. One row per noun. */
export const nouns: readonly Noun[] = [
  initNoun,
  fleetNoun,
  statusNoun,
  doctorNoun,
  hostNoun,
  userNoun,
  personNoun,
  keyNoun,
  groupNoun,
  grantNoun,
  accessNoun,
  whyNoun,
  revokeNoun,
  natNoun,
  vhostNoun,
  proxyNoun,
  certNoun,
  backupNoun,
  containerNoun,
  unitNoun,
  logNoun,
  planNoun,
  applyNoun,
  policyNoun,
  pendingNoun,
  alertNoun,
  operationNoun,
  metricNoun,
  operatorNoun,
  webNoun,
  loginNoun,
  logoutNoun,
  whoamiNoun,
  auditNoun,
  completionNoun(() => nouns),
];

/** All commands, in the order of the help. */
export function allCommands(): readonly Command[] {
  return nouns.flatMap((noun) => noun.commands);
}
