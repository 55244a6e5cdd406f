import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import { formatMessage, formatRemedy } from '../../shared/errors/error.js';
import { advise, failed, fine, run, runChecks, skipped, warning, type Check, type CheckStep, type Finding } from '../../shared/model/check.js';
import { describeHold } from '../../shared/model/hold.js';
import type { Fleet } from '../fleet/fleet.js';
import { backupProblem } from '../desired/backup-problem.js';
import { certProblems } from '../desired/cert.js';
import { holdLookup } from '../fleet/hold.js';
import { listBackups } from '../inventory/backup.js';
import { backupFacts } from '../inventory/backup-facts.js';
import { certsOf } from '../inventory/cert.js';
import { listDrift, listPending } from '../inventory/generation.js';
import { listHosts, type HostRow } from '../inventory/host.js';
import { openParts } from '../inventory/operation.js';
import type { World } from '../world.js';
import { judgeHostCertificate } from './certificate.js';
import { judgeClock, judgeRefusedCertificate } from './clock.js';
import { dialAgent, type Dialled } from './dial.js';
import { judgeOwnCertificate, judgeOwnDisk } from './own.js';
import { directSteps, type Reached } from './reach.js';
import { statusSteps } from './status.js';

/** Looks at everything between the coordinator and one host, in the order in which one thing needs the other. Changes nothing. */
export function checkHost(world: World, fleet: Fleet, host: HostRow, signal: AbortSignal): AsyncGenerator<Check> {
  return runChecks(hostSteps(world, fleet, host, signal));
}

function hostSteps(world: World, fleet: Fleet, host: HostRow, signal: AbortSignal): CheckStep[] {
  let dialled: Dialled | undefined;
  let status: AgentStatus | undefined;
  const dial = async (): Promise<Dialled> => {
    dialled ??= await dialAgent(world, host, fleet.link(host.id), signal);
    if (dialled.kind === 'answer') status = dialled.status;
    return dialled;
  };
  const byName = new Map(statusSteps(host.name, () => status).map((step) => [step.name, step]));
  const said = (...names: string[]): CheckStep[] => names.flatMap((name) => byName.get(name) ?? []);
  return [
    { name: 'inventory', needs: [], look: () => judgeInventory(host) },
    { name: 'coordinator-certificate', needs: [], look: () => judgeOwnCertificate(world) },
    ...waySteps(world, fleet, host, signal),
    { name: 'clock', needs: ['certificate', 'coordinator-certificate'], look: async () => judgeDialledClock(world, fleet, host, await dial()) },
    { name: 'agent', needs: ['certificate', 'coordinator-certificate'], look: async () => judgeAgent(host, await dial()) },
    ...said('version', 'policy', 'helper', 'audit', 'disk'),
    { name: 'coordinator-disk', needs: [], look: () => judgeOwnDisk(world) },
    { name: 'pending', needs: ['inventory'], look: () => judgePending(world, fleet, host) },
    { name: 'certificates-of-services', needs: ['inventory'], look: () => judgeCerts(world, host) },
    { name: 'backups', needs: ['inventory'], look: () => judgeBackups(world, host) },
    ...said('operations', 'renewal'),
  ];
}

/** The way to an agent that is not dialled straight: through its parent, or through a connection that it keeps itself. */
function carriedSteps(fleet: Fleet, host: HostRow): CheckStep[] {
  const look = (): Finding => {
    const link = fleet.link(host.id);
    if (link.kind !== 'none') return fine(link.kind === 'dial-out' ? 'Its agent has dialled in.' : 'Its parent is connected.');
    const text = `There is no way to it now: ${link.reason}.`;
    if (host.link === 'dial-out') return failed(text, run(host.name, 'reeve-agent doctor', 'Its agent dials the coordinator; this says what is in the way.'));
    return failed(text, advise('Look at its parent first: reeve doctor with the name of the parent.'));
  };
  return [{ name: 'link', needs: ['inventory'], look }, { name: 'certificate', needs: ['link'], look: () => fine('It is looked at when the agent is called.') }];
}

/** The way to an agent up to its certificate. */
function waySteps(world: World, fleet: Fleet, host: HostRow, signal: AbortSignal): CheckStep[] {
  if (host.link !== 'direct') return carriedSteps(fleet, host);
  const reached: Reached = {};
  const look = (): Finding => (reached.certificate === undefined ? skipped('None was shown.') : judgeHostCertificate(world, host, reached.certificate));
  return [...directSteps(world, host, reached, signal), { name: 'certificate', needs: ['tls'], look }];
}

function judgeInventory(host: HostRow): Finding {
  switch (host.state) {
    case 'joined':
      return fine(`Host "${host.name}" has joined.`);
    case 'invited':
      return failed(`Host "${host.name}" was invited and has not joined.`, run('coordinator', `reeve host invite ${host.name}`, `Run the line that this prints as root on ${host.name}.`));
    case 'quarantined':
      return failed(`Host "${host.name}" is quarantined: ${host.quarantine?.text ?? 'two live agents have its identity'}.`, run('coordinator', `reeve host invite ${host.name} --rejoin`, 'Run "reeve-agent reset" on the machine that is the copy, and the line that this prints on the other one.'));
    case 'revoked':
      return failed(`The certificates of host "${host.name}" were revoked.`, run('coordinator', `reeve host invite ${host.name} --rejoin`, `To let it join again, run the line that this prints as root on ${host.name}.`));
    case 'retired':
      return failed(`Host "${host.name}" is out of the fleet for ever.`);
  }
}

function judgeDialledClock(world: World, fleet: Fleet, host: HostRow, dialled: Dialled): Finding {
  const now = world.clock.now();
  switch (dialled.kind) {
    case 'refused':
      return judgeRefusedCertificate(host.name, now);
    case 'error':
      return skipped('Not known: the agent gave no answer.');
    case 'answer': {
      const others = listHosts(world.db).filter((other) => other.id !== host.id && other.state === 'joined').map((other) => fleet.live(other.id));
      const othersMs = others.filter((live) => live.state === 'connected').map((live) => live.clockOffsetMs);
      return judgeClock({ hostName: host.name, now, offsetMs: dialled.offsetMs, othersMs });
    }
  }
}

function judgeAgent(host: HostRow, dialled: Dialled): Finding {
  switch (dialled.kind) {
    case 'answer':
      return fine('The agent answers calls.');
    case 'refused':
      return skipped("It does not take the coordinator's certificate; see clock.");
    case 'error': {
      const item = dialled.error.items[0] ?? { code: dialled.error.code, fields: dialled.error.fields };
      const text = `The agent does not answer calls: ${formatMessage(item)}.`;
      if (item.code === 'HOST_UNREACHABLE') return failed(text, run(host.name, 'systemctl restart reeve-agent', 'Start it anew.'));
      return failed(text, advise(formatRemedy(item)));
    }
  }
}

function judgePending(world: World, fleet: Fleet, host: HostRow): Finding {
  const { db } = world;
  const unknown = openParts(db, host.id).length;
  const pending = listPending(db).filter((row) => row.hostId === host.id);
  const drifted = listDrift(db).filter((row) => row.hostId === host.id);
  const apply = run('coordinator', `reeve apply --on ${host.name}`);
  const held = holdLookup(world, fleet)(host.id).map(describeHold);
  const parts = [
    ...held.map((text) => `it is ${text}`),
    ...pending.map((row) => `noun ${row.noun} is not applied${row.reason === '' ? '' : ` (${row.reason})`}`),
    ...drifted.map((row) => `noun ${row.noun} is not as it was applied`),
    ...(unknown === 0 ? [] : [`the outcome of ${String(unknown)} operations is not known; the host is asked when it returns`]),
  ];
  if (parts.length === 0) return fine('Nothing is pending, and nothing has drifted.');
  const text = parts.join('; ');
  return warning(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`, held.length > 0 ? undefined : apply);
}

/** Certificates for services of the host, by what it said of them last. */
function judgeCerts({ db, clock }: World, host: HostRow): Finding {
  const certs = certsOf(db, host.id);
  const [first, ...more] = certs.flatMap((row) => certProblems(row, host.name, clock.now())).sort((a, b) => (a.severity < b.severity ? -1 : 1));
  if (first === undefined) return certs.length === 0 ? fine('It has no certificates of Reeve for its services.') : fine(`Its ${String(certs.length)} ${certs.length === 1 ? 'certificate' : 'certificates'} for services will do.`);
  const text = `The ${first.title}${more.length === 0 ? '' : `, and ${String(more.length)} more`}: ${first.text}.`;
  return first.severity === 'error' ? failed(text, advise(`See: reeve cert list ${host.name}`)) : warning(text, advise(`See: reeve cert list ${host.name}`));
}

function judgeBackups({ db, clock }: World, host: HostRow): Finding {
  const jobs = listBackups(db).filter(({ backup }) => backup.source === host.id || backup.destination === host.id);
  const problems = jobs.flatMap((job) => backupProblem(backupFacts(db, job), clock.now()) ?? []);
  const [first, ...more] = problems.sort((a, b) => (a.severity < b.severity ? -1 : 1));
  if (first === undefined) return jobs.length === 0 ? fine('No backup job is from it or to it.') : fine(`Its ${String(jobs.length)} backup ${jobs.length === 1 ? 'job is' : 'jobs are'} well.`);
  const text = `The ${first.title}${more.length === 0 ? '' : `, and ${String(more.length)} more`}: ${first.text}.`;
  return first.severity === 'error' ? failed(text, advise('See: reeve backup list')) : warning(text, advise('See: reeve backup list'));
}
