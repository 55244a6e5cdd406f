import { existsSync, readFileSync } from 'node:fs';
import { newId } from '../../shared/kit/id.js';
import { version } from '../../shared/kit/version.js';
import { ReeveError } from '../../shared/errors/error.js';
import type { StatusGetReply } from '../../shared/gen/privd.js';
import { failed, fine, run, skipped, warning, type CheckStep, type Finding } from '../../shared/model/check.js';
import { agentPort } from '../../shared/model/host.js';
import { parseAgentConfig } from '../config.js';
import { listeningUids } from '../host/listening.js';
import { describePending, readPending } from '../host/pending.js';
import { createPrivdClient } from '../host/privd.js';
import type { DoctorPlace } from './place.js';

/** Units that run on a host that has joined. */
export const agentUnits = { socket: 'reeve-privd.socket', deadman: 'reeve-deadman.path', check: 'reeve-sshd-check.path', agent: 'reeve-agent.service' } as const;

/** Longest answer of the helper, ms. */
const helperMs = 10_000;

/** The checks of what runs on this host: units, helper, audit, changes that revert by themselves, port. */
export function serviceSteps(place: DoctorPlace): Record<'units' | 'helper' | 'audit' | 'pending' | 'port', CheckStep> {
  const { hostName, options } = place;
  let reply: StatusGetReply | undefined;
  return {
    units: { name: 'units', needs: [], look: () => judgeUnits(place) },
    helper: {
      name: 'helper',
      needs: ['units'],
      look: async () => {
        const asked = await askHelper(options.paths.helper);
        if (typeof asked === 'string') return failed(`The helper does not answer, so nothing can be changed: ${asked}.`, run(hostName, `systemctl restart ${agentUnits.socket}`, 'Start its socket; it starts the helper.'));
        reply = asked;
        if (asked.version === version) return fine(`The helper answers, version ${asked.version}.`);
        return warning(`The helper has version ${asked.version}, the agent ${version}.`, run(hostName, 'systemctl stop reeve-privd.service && systemctl restart reeve-agent', 'One of them was not started again after an upgrade.'));
      },
    },
    audit: {
      name: 'audit',
      needs: ['helper'],
      look: () => {
        if (reply === undefined) return skipped('The helper said nothing of it.');
        if (reply.auditState === 'ok') return fine(`Audit records are written, ${String(reply.auditSeq)} so far.`);
        return failed(`Audit records cannot be written, so nothing is changed: ${reply.auditState}.`, run(hostName, 'df -h /var/lib/reeve-privd', 'Make room or repair the file system; it goes on by itself.'));
      },
    },
    pending: { name: 'pending', needs: ['helper'], look: () => judgePending(place) },
    port: { name: 'port', needs: ['config', 'identity'], look: () => judgePort(place) },
  };
}

async function judgePending({ options, hostName }: DoctorPlace): Promise<Finding> {
  const reply = await readPending(options.paths.helper);
  if (reply === undefined) return skipped('The helper knows of no changes that revert by themselves.');
  const { pending, reverted } = describePending(reply);
  const told = (texts: readonly string[]): string => texts.map((text) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`).join(' ');
  if (pending.length > 0) return warning(told(pending), run(hostName, 'reeve-agent status', 'The coordinator confirms it by itself. If it does not, it cannot open a new connection to this host.'));
  if (reverted.length > 0) return warning(told(reverted), run(hostName, 'journalctl --unit reeve-deadman --lines 20', 'Put right what kept the coordinator away, then apply the noun again there.'));
  return fine('No change waits to be confirmed, and none was taken back.');
}

async function askHelper(socketPath: string): Promise<StatusGetReply | string> {
  const client = createPrivdClient({ socketPath, timeoutMs: helperMs });
  try {
    return await client.call('status.get', newId(Date.now()), {});
  } catch (error) {
    if (error instanceof ReeveError) return error.fields['reason'] ?? error.code;
    throw error;
  } finally {
    client.close();
  }
}

function judgeUnits({ units, hostName, options }: DoctorPlace): Finding {
  if (options.custom) return skipped('Places were given by hand; systemd does not run these.');
  if (units === undefined) return skipped('systemd could not be asked.');
  const joined = existsSync(`${options.paths.state}/identity/current`);
  for (const name of [agentUnits.socket, agentUnits.deadman, agentUnits.check, ...(joined ? [agentUnits.agent] : [])]) {
    const unit = units.find((known) => known.name === name);
    if (unit === undefined || unit.load === 'not-found') return failed(`systemd does not know ${name}.`, run(hostName, 'apt-get install --reinstall reeve-agent', 'Install the package again.'));
    if (unit.load === 'masked') return failed(`${name} is masked.`, run(hostName, `systemctl unmask ${name} && systemctl start ${name}`, 'Somebody has forbidden it to run.'));
    if (unit.active !== 'active') return failed(`${name} does not run (${unit.active}).`, run(hostName, `systemctl restart ${name}`, `Start it. If it does not stay: journalctl --unit ${name} --lines 20`));
  }
  return fine('The units of the agent and of its helper run.');
}

function judgePort({ options, hostName, agentUid }: DoctorPlace): Finding {
  const { config } = options.paths;
  const configured = existsSync(config) ? parseAgentConfig(readFileSync(config, 'utf8')).listen : undefined;
  const port = (options.listen ?? configured)?.port ?? agentPort;
  const uids = listeningUids(port);
  if (uids.includes(agentUid)) return fine(`The agent listens on TCP port ${String(port)}.`);
  const other = uids[0];
  if (other === undefined) return failed(`Nothing listens on TCP port ${String(port)}: the agent does not run, or just starts.`, run(hostName, 'systemctl restart reeve-agent', 'If that does not help: journalctl --unit reeve-agent --lines 20'));
  return failed(`A program of uid ${String(other)} has TCP port ${String(port)}, not the agent.`, run(hostName, `ss -ltnp 'sport = :${String(port)}'`, 'This says which one. Stop it and restart reeve-agent; or let the agent listen elsewhere ("listen" in /etc/reeve/agent.conf) and say so on the coordinator.'));
}
