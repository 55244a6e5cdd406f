import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import { version } from '../../shared/kit/version.js';
import { failed, fine, run, skipped, warning, type CheckStep, type Finding, type Fix } from '../../shared/model/check.js';
import { policyFix } from '../../shared/model/policy-fix.js';
import { releaseGap } from '../../shared/model/release.js';
import { parseVolumeState, volumeText, type VolumeState } from '../../shared/model/volume.js';

/** The checks that a host's own word answers. `status` is undefined while the agent has not been asked. */
export function statusSteps(hostName: string, status: () => AgentStatus | undefined): CheckStep[] {
  const step = (name: string, needs: readonly string[], judge: (said: AgentStatus) => Finding): CheckStep => ({
    name,
    needs: ['agent', ...needs],
    look: () => {
      const said = status();
      return said === undefined ? skipped('The agent said nothing of it.') : judge(said);
    },
  });
  const on = (command: string, text = ''): Fix => run(hostName, command, text);
  return [
    step('version', [], (said) => judgeVersion(hostName, said.agentVersion)),
    step('policy', [], ({ policyState, policyReason }) =>
      policyState === 'ok' ? fine('Its policy can be used.') : failed(`Its policy cannot be used, so only its status works: ${policyReason}.`, policyFix(hostName, policyState))),
    step('helper', [], (said) => {
      if (said.helperState !== 'ok') {
        return failed(`Its helper does not answer, so nothing can be changed: ${said.helperState}.`, on('systemctl restart reeve-privd.socket', 'Start its socket; it starts the helper.'));
      }
      if (said.helperVersion === said.agentVersion) return fine(`Its helper answers, version ${said.helperVersion}.`);
      return warning(`Its helper has version ${said.helperVersion}, its agent ${said.agentVersion}.`, on('systemctl stop reeve-privd.service && systemctl restart reeve-agent', 'One of them was not started again after an upgrade.'));
    }),
    step('audit', ['helper'], ({ auditState, auditSeq }) =>
      auditState === 'ok' || auditState === ''
        ? fine(`It writes audit records, ${String(auditSeq)} so far.`)
        : failed(`It cannot write audit records and refuses changes: ${auditState}.`, on('df -h /var/lib/reeve-privd', 'Make room or repair the file system; it goes on by itself.'))),
    step('disk', [], (said) => judgeVolumes(hostName, said.volumes)),
    step('operations', [], ({ openOperations, pendingChange }) => {
      if (pendingChange !== '') return warning(`A change waits for its confirmation, and is taken back by itself: ${pendingChange}.`);
      return openOperations === 0 ? fine('No operation is open.') : warning(`${String(openOperations)} operations are open: they run, or wait for the helper.`);
    }),
    step('renewal', [], ({ renewalProblem }) =>
      renewalProblem === '' ? fine('Its certificate is renewed in time.') : failed(`The last renewal of its certificate failed: ${renewalProblem}.`, on('reeve-agent doctor', 'It is tried again; this says what is in the way.'))),
  ];
}

function judgeVersion(hostName: string, theirs: string): Finding {
  const { gap, older } = releaseGap(theirs, version);
  if (gap === 'same') return fine(`Its version is ${theirs}.`);
  if (gap === 'neighbours') return fine(`Its version is ${theirs}, the coordinator's ${version}; they work together.`);
  const text = `Its version is ${theirs}, the coordinator's ${version}: only one release apart is supported.`;
  if (gap === 'unknown') return warning(`Its version "${theirs}" cannot be compared with the coordinator's, ${version}.`);
  if (older === 'a') return failed(text, run(hostName, 'apt-get update && apt-get install --only-upgrade reeve-runtime reeve-agent', 'Upgrade the agent.'));
  return failed(text, run('coordinator', 'apt-get update && apt-get install --only-upgrade reeve-runtime reeve-coordinator reeve-cli', 'Upgrade the coordinator.'));
}

/** What a host names goes into a command that people copy: nothing but a plain path does. */
const plainPath = /^\/[A-Za-z0-9._/-]{0,200}$/;

/** The folders of a host that have too little room, as far as they can be named. */
export function badVolumes(volumes: AgentStatus['volumes']): { readonly path: string; readonly state: VolumeState }[] {
  return volumes
    .slice(0, 16)
    .map((volume) => ({ path: volume.path, state: parseVolumeState(volume.state) }))
    .filter((volume) => volume.state !== 'ok' && plainPath.test(volume.path));
}

function judgeVolumes(hostName: string, volumes: AgentStatus['volumes']): Finding {
  const bad = badVolumes(volumes);
  if (volumes.length === 0) return skipped('Its agent does not tell; an older release.');
  if (bad.length === 0) return fine('There is room below the folders that it writes to.');
  const text = `${bad.map((volume) => `${volume.path} ${volumeText[volume.state]}`).join('; ')}.`;
  const fix = run(hostName, `df -h ${bad.map((volume) => volume.path).join(' ')}`, 'Make room, or mount it again for writing; the agent goes on by itself.');
  return bad.every((volume) => volume.state === 'low') ? warning(text, fix) : failed(text, fix);
}
