import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import { failed, fine, run, skipped, type CheckStep, type Finding } from '../../shared/model/check.js';
import { parsePolicy } from '../../shared/model/policy.js';
import { policyFix } from '../../shared/model/policy-fix.js';
import { parseVolumeState, volumeText } from '../../shared/model/volume.js';
import { parseAgentConfig } from '../config.js';
import { readPolicyFile } from '../host/system.js';
import { readVolumes } from '../host/volume.js';
import { parseJournal } from '../journal/line.js';
import type { DoctorPlace } from './place.js';

/** The checks of files of this host: settings, owners, policy, room, journal. */
export function fileSteps(place: DoctorPlace): Record<'config' | 'ownership' | 'policy' | 'disk' | 'journal', CheckStep> {
  const { paths, custom } = place.options;
  return {
    config: { name: 'config', needs: [], look: () => judgeConfig(place) },
    ownership: { name: 'ownership', needs: [], look: () => judgeOwnership(place) },
    policy: {
      name: 'policy',
      needs: [],
      look: () => {
        const file = readPolicyFile(paths.policy, custom ? [0, place.agentUid] : [0]);
        if (file.kind === 'fault') return failed(`The policy cannot be used, so only the status of this host works: ${file.reason}.`, policyFix(place.hostName, file.fault));
        const parsed = parsePolicy(file.text);
        const first = parsed.kind === 'problems' ? parsed.problems[0] : undefined;
        if (first === undefined) return fine('The policy can be used.');
        return failed(`The policy cannot be used, so only the status of this host works: line ${String(first.line)}: ${first.text}.`, policyFix(place.hostName, 'syntax'));
      },
    },
    disk: { name: 'disk', needs: [], look: () => judgeDisk(place) },
    journal: { name: 'journal', needs: ['ownership'], look: () => judgeJournal(place) },
  };
}

function judgeConfig({ options, hostName }: DoctorPlace): Finding {
  const { config } = options.paths;
  if (!existsSync(config)) return fine('There are no settings; the defaults are used.');
  try {
    parseAgentConfig(readFileSync(config, 'utf8'));
    return fine('The settings can be read.');
  } catch (error) {
    const reason = error instanceof ReeveError ? error.items.map(formatMessage).join('; ') : 'it cannot be opened';
    return failed(`The settings in ${config} cannot be used, so the agent does not start: ${reason}.`, run(hostName, `editor ${config} && systemctl restart reeve-agent`, 'Repair them.'));
  }
}

/** The agent's own files must belong to it, and nobody else may read its key. */
function judgeOwnership({ options, hostName, agentUid }: DoctorPlace): Finding {
  const { state } = options.paths;
  const fix = run(hostName, `chown -R reeve-agent:reeve-agent ${state} && chmod -R u+rwX,go= ${state} && systemctl restart reeve-agent`, 'Give them back to the agent.');
  const names = ['', 'identity', 'identity/current/key.pem', 'identity/current/certificate.pem', 'identity/current/identity.json', 'journal', 'journal/operations'];
  for (const path of names.map((name) => join(state, name))) {
    try {
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (stat.uid !== agentUid) return failed(`${path} belongs to uid ${String(stat.uid)}, and the agent is uid ${String(agentUid)}.`, fix);
      if ((stat.mode & 0o077) !== 0) return failed(`Others than the agent may use ${path} (mode ${(stat.mode & 0o777).toString(8)}).`, fix);
      if ((stat.mode & 0o400) === 0) return failed(`The agent may not read ${path} (mode ${(stat.mode & 0o777).toString(8)}).`, fix);
    } catch (error) {
      return failed(`${path} cannot be looked at: ${errorCode(error)}.`, fix);
    }
  }
  return fine(`The files in ${state} belong to the agent alone.`);
}

async function judgeDisk({ options, hostName }: DoctorPlace): Promise<Finding> {
  const volumes = await readVolumes(options.paths.state, ['/etc', '/var', '/var/lib/reeve-privd']);
  const bad = volumes.filter((volume) => volume.state !== 'ok');
  if (bad.length === 0) return fine('There is room below the folders that Reeve writes to.');
  const text = `${bad.map(({ path, state }) => `${path} ${volumeText[parseVolumeState(state)]}`).join('; ')}.`;
  const fix = run(hostName, `df -h ${bad.map((volume) => volume.path).join(' ')}`, 'Make room, or mount it again for writing; the agent goes on by itself.');
  return bad.every((volume) => volume.state === 'low') ? { state: 'warning', text, fix } : failed(text, fix);
}

function judgeJournal({ options, hostName }: DoctorPlace): Finding {
  const path = join(options.paths.state, 'journal', 'operations');
  if (!existsSync(path)) return skipped('There is none yet.');
  try {
    const { lines, torn } = parseJournal(readFileSync(path));
    if (torn <= 1) return fine(`The journal can be read, ${String(lines.length)} lines.`);
    return { state: 'warning', text: `${String(torn)} lines of the journal cannot be read; they are left out.`, fix: run(hostName, 'systemctl restart reeve-agent', 'This writes it anew without them.') };
  } catch (error) {
    return failed(`The journal ${path} cannot be read: ${errorCode(error)}.`, run(hostName, 'journalctl --unit reeve-agent --lines 20', 'Look at the disk, and at what the agent says.'));
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read';
}
