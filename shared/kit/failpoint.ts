/**
 * Named places where a test build can be made to die (`REEVE_FAILPOINT=name[:n]`: SIGKILL at the n-th pass, default 1). Package builds replace this
 * module by failpoint-off.ts. A test asserts that the places exercised are the places in the code.
 */
let passes = 0;

/** Dies here when the environment says so. */
export function failpoint(name: FailpointName): void {
  const wanted = process.env['REEVE_FAILPOINT'];
  if (wanted === undefined) return;
  const [place, count] = wanted.split(':');
  if (place !== name) return;
  passes += 1;
  if (passes >= Number(count ?? '1')) process.kill(process.pid, 'SIGKILL');
}

/** Every place there is, with the program it is in. */
export const failpoints = {
  'agent.journal.received': 'agent',
  'agent.journal.undo': 'agent',
  'agent.journal.started': 'agent',
  'agent.user.step': 'agent',
  'agent.key.step': 'agent',
  'agent.nat.step': 'agent',
  'agent.vhost.step': 'agent',
  'agent.cert.step': 'agent',
  'agent.container.written': 'agent',
  'agent.container.built': 'agent',
  'agent.container.acted': 'agent',
  'agent.container.healthy': 'agent',
  'agent.container.settled': 'agent',
  'agent.container.returned': 'agent',
  'agent.container.step': 'agent',
  'agent.journal.done': 'agent',
  'agent.identity.key': 'agent',
  'agent.identity.staged': 'agent',
  'agent.identity.swapped': 'agent',
  'agent.enrol.sent': 'agent',
  'agent.release.stored': 'agent',
  'agent.reset.forgotten': 'agent',
  'agent.reset.emptied': 'agent',
  'coordinator.enrol.decided': 'coordinator',
  'coordinator.enrol.stored': 'coordinator',
  'coordinator.renew.stored': 'coordinator',
  'coordinator.login.decided': 'coordinator',
  'coordinator.login.stored': 'coordinator',
  'coordinator.login.renewed': 'coordinator',
  'cli.login.answered': 'cli',
  'cli.login.stored': 'cli',
  'coordinator.change.stored': 'coordinator',
  'coordinator.change.sent': 'coordinator',
  'coordinator.change.answered': 'coordinator',
  'coordinator.change.recorded': 'coordinator',
  'cli.add.connected': 'cli',
  'cli.add.checked': 'cli',
  'cli.add.uploading': 'cli',
  'cli.add.uploaded': 'cli',
  'cli.add.installed': 'cli',
  'cli.add.cleared': 'cli',
  'cli.add.policy': 'cli',
  'cli.add.invited': 'cli',
  'cli.add.joined': 'cli',
  'cli.add.started': 'cli',
} as const;

/** Name of a failpoint. */
export type FailpointName = keyof typeof failpoints;
