/** The failpoints that each chaos test exercises; a test asserts that together they are all there are in the code. */

/** Verbs of the helper that one `reeve` command runs. */
export type UserCommand = 'add' | 'lock' | 'remove';

/** Points that every change of users passes in the agent; `agent.user.step` is passed once for each step that succeeded. */
export const agentUserPoints = ['agent.journal.received', 'agent.journal.undo', 'agent.journal.started', 'agent.user.step', 'agent.journal.done'] as const;

/** The same points in an undo, which goes the same way; the one that is killed at has two steps. */
export const undoPoints = [...agentUserPoints, 'agent.user.step:2'] as const;

/** Points that every change passes in the coordinator. */
export const coordinatorChangePoints = ['coordinator.change.stored', 'coordinator.change.sent', 'coordinator.change.answered', 'coordinator.change.recorded'] as const;

/** Points of the helper by the command that passes them. */
export const helperPoints = {
  add: ['audit.intent', 'audit.result', 'marker.written', 'add.marked', 'add.used', 'add.cleared', 'add.made', 'add.owned', 'member.done'],
  set: ['set.done'],
  lock: ['audit.intent', 'audit.result', 'lock.done'],
  unlock: ['unlock.done'],
  remove: ['audit.intent', 'audit.result', 'remove.marked', 'remove.locked', 'remove.ended', 'remove.deleted', 'remove.moved', 'remove.forgotten'],
  adopt: ['adopt.marked'],
  release: ['release.forgotten'],
  sshd: ['sshd.undo', 'sshd.pending', 'sshd.written', 'sshd.looked', 'sshd.tried', 'sshd.reloaded', 'confirm.read', 'confirm.moved', 'sshd.left'],
} as const;

/** Points that a change of keys passes in the agent, besides those that every change passes. */
export const agentKeyPoints = ['agent.key.step'] as const;

/** Points of the helper in verbs of keys, by what passes them. */
export const keyPoints = {
  put: ['key.folder', 'key.marked', 'key.written', 'key.renamed'],
  sshd: ['sshd.undo', 'sshd.pending', 'sshd.written', 'sshd.looked', 'sshd.tried', 'sshd.reloaded'],
  confirm: ['confirm.read', 'confirm.moved'],
  remove: ['key.unlinked'],
  purge: ['purge.written', 'purge.renamed'],
  release: ['key.left', 'sshd.left'],
} as const;

/** Points that a change of forwards and masquerades passes in the agent, besides those that every change passes. */
export const agentNatPoints = ['agent.nat.step'] as const;

/** Points of the helper in verbs of forwards and masquerades, by what passes them. */
export const natPoints = {
  apply: ['nat.written', 'nat.promised', 'nat.loaded', 'nat.armed'],
  confirm: ['nat.confirmed', 'nat.cleaned'],
  release: ['nat.left', 'nat.released'],
} as const;

/** Points that a change of certificates passes in the agent, besides those that every change passes. */
export const agentCertPoints = ['agent.cert.step'] as const;

/** Points of the helper in verbs of certificates, by what passes them. */
export const certPoints = {
  key: ['cert.kept'],
  put: ['cert.folder', 'cert.marked', 'cert.kept', 'cert.written', 'cert.swapped', 'cert.sites', 'cert.unitsdone', 'cert.swept'],
  remove: ['cert.unlinked', 'cert.swept'],
  release: ['cert.left'],
} as const;

/** Points that a change of sites passes in the agent, besides those that every change passes: after the set is in place, and after it is settled. */
export const agentVhostPoints = ['agent.vhost.step', 'agent.vhost.step:2'] as const;

/** Points of the helper in verbs of sites, by what passes them. */
export const vhostPoints = {
  check: ['vhost.staged', 'vhost.tried'],
  apply: ['vhost.promised', 'vhost.named', 'vhost.joined', 'vhost.taken', 'vhost.linked', 'vhost.swapped', 'vhost.told', 'vhost.reloaded'],
  settle: ['vhost.settled', 'vhost.cleaned'],
  undo: ['vhost.returned'],
  release: ['vhost.left', 'vhost.released'],
} as const;

/** Points that a change of a container passes in the agent, besides those that every change passes; `returned`: of one that goes back. */
export const agentContainerPoints = {
  make: ['agent.container.written', 'agent.container.built', 'agent.container.acted', 'agent.container.healthy', 'agent.container.settled', 'agent.container.step'],
  back: ['agent.container.returned'],
} as const;

/** Points of the helper in verbs of containers, by what passes them: a change, its settling, one that goes back, a new one, one that sleeps no longer. */
export const containerPoints = {
  put: ['container.put.before', 'container.put.spec', 'container.files.put', 'container.files.reloaded'],
  settle: ['container.settle.begun', 'container.settle.ended'],
  back: ['container.settle.restored'],
  make: ['container.slot.noted', 'container.files.linked'],
  awake: ['container.files.taken'],
  secret: ['container.secret.kept'],
  release: ['container.release.forgotten', 'container.release.left'],
} as const;

/** Points of joining, by the program that dies. */
export const joinPoints = {
  agent: ['agent.identity.key', 'agent.enrol.sent', 'agent.identity.staged', 'agent.identity.swapped'],
  coordinator: ['coordinator.enrol.decided', 'coordinator.enrol.stored'],
} as const;

/** Points of an operator's login, by the program that dies. */
export const loginPoints = {
  cli: ['cli.login.answered', 'cli.login.stored'],
  coordinator: ['coordinator.login.decided', 'coordinator.login.stored'],
} as const;

/** Points of renewing an operator's login. */
export const loginRenewPoints = {
  cli: ['cli.login.answered', 'cli.login.stored'],
  coordinator: ['coordinator.login.renewed'],
} as const;

/** Points of renewing a certificate. */
export const renewPoints = {
  agent: ['agent.identity.key', 'agent.identity.staged', 'agent.identity.swapped'],
  coordinator: ['coordinator.renew.stored'],
} as const;

/** Points that letting go of a host passes besides those of every change, and those of `reeve-agent reset`. */
export const releasePoints = { agent: ['agent.release.stored'], reset: ['agent.reset.forgotten', 'agent.reset.emptied'] } as const;

/** Points of taking a machine in over SSH, in the command line: what it has done before each of them. */
export const addPoints = [
  'cli.add.connected', 'cli.add.checked', 'cli.add.uploading', 'cli.add.uploaded', 'cli.add.installed', 'cli.add.cleared', 'cli.add.policy', 'cli.add.invited', 'cli.add.joined', 'cli.add.started',
] as const;
