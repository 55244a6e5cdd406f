import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReeveError } from '../../shared/errors/error.js';
import { failed, fine, run, skipped, warning, type CheckStep, type Finding } from '../../shared/model/check.js';
import { idTime } from '../../shared/model/id.js';
import type { AgentIdentity } from '../identity/identity.js';
import { readRenewal, type RenewalState } from '../identity/renewal-file.js';
import { openIdentityStore } from '../identity/store.js';
import { parseJournal } from '../journal/line.js';
import type { DoctorPlace } from './place.js';

const day = 86_400_000;

/** How long after the end of its certificate a host comes back without a question, ms. */
const readmitMs = 30 * day;

/** Clocks may differ by this much, ms. */
const skewMs = 10 * 60_000;

/** The checks of who this host is: identity, certificate, clock, renewal. `identity()` is known after the first. */
export function identitySteps(place: DoctorPlace): { steps: Record<'identity' | 'certificate' | 'clock' | 'renewal', CheckStep>; identity: () => AgentIdentity | undefined } {
  const { paths } = place.options;
  let identity: AgentIdentity | undefined;
  const known = (judge: (identity: AgentIdentity) => Finding): (() => Finding) => () => (identity === undefined ? skipped('There is no identity.') : judge(identity));
  const steps = {
    identity: {
      name: 'identity',
      needs: ['ownership'],
      look: () => {
        try {
          identity = openIdentityStore(paths.state).load();
        } catch (error) {
          if (!(error instanceof ReeveError)) throw error;
          return failed(`The identity of this host cannot be used: ${error.fields['rule'] ?? error.message}.`, run('coordinator', `reeve host invite ${place.hostName} --rejoin`, 'Run the line that this prints on this host.'));
        }
        if (identity === undefined) return failed('This host has not joined a fleet.', run('coordinator', `reeve host invite ${place.hostName}`, 'Run the line that this prints on this host.'));
        return fine(`This is host "${identity.hostName}" of fleet ${identity.fleetId}.`);
      },
    },
    certificate: { name: 'certificate', needs: ['identity'], look: known((me) => judgeCertificate(place, me)) },
    clock: { name: 'clock', needs: ['identity'], look: known((me) => judgeClock(place, me)) },
    renewal: { name: 'renewal', needs: ['identity'], look: known((me) => judgeRenewal(place, me, readRenewal(paths.state))) },
  };
  return { steps, identity: () => identity };
}

function judgeCertificate({ now, hostName }: DoctorPlace, me: AgentIdentity): Finding {
  const certificate = new X509Certificate(me.certificate);
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (now() < from) return failed(`The certificate begins on ${certificate.validFrom}: the clock of this host is behind by days.`, run(hostName, 'timedatectl set-ntp true', 'Set the clock.'));
  if (now() < to) return fine(`The certificate is good until ${new Date(to).toISOString()}.`);
  const text = `The certificate expired on ${new Date(to).toISOString()}.`;
  if (now() > to + readmitMs) return failed(text, run('coordinator', `reeve host readmit ${me.hostName}`, 'That is too long to come back without a question. This lets it come back within the next hour.'));
  return failed(text, run(hostName, 'systemctl restart reeve-agent', 'The agent comes back by itself when it reaches the coordinator; this makes it try at once. See renewal and coordinator.'));
}

/** The last times that the coordinator is known to have had: none of them can be in the future. */
function judgeClock({ now, hostName, options }: DoctorPlace, me: AgentIdentity): Finding {
  const set = run(hostName, 'timedatectl set-ntp true', 'Set the clock of the one that is wrong.');
  const known = Math.max(me.issued?.coordinatorMs ?? 0, newestOperationMs(options.paths.state));
  const behind = known - now();
  if (behind > skewMs) return failed(`This host has ${iso(now())}, but the coordinator had ${iso(known)} already: the clock of this host is behind.`, set);
  const offset = me.issued === undefined ? 0 : me.issued.hostMs - me.issued.coordinatorMs;
  if (Math.abs(offset) > skewMs) return warning(`When its certificate was issued, this host had ${iso(me.issued?.hostMs ?? 0)} and the coordinator ${iso(me.issued?.coordinatorMs ?? 0)}.`, set);
  return fine(`The clock of this host, ${iso(now())}, agrees with what is known of the coordinator's.`);
}

/** Time of the newest operation in the journal, from its id, unix ms; 0: there is none. */
function newestOperationMs(stateDir: string): number {
  const path = join(stateDir, 'journal', 'operations');
  if (!existsSync(path)) return 0;
  const received = parseJournal(readFileSync(path)).lines.flatMap(({ line }) => (line.t === 'received' ? [idTime(line.id)] : []));
  return received.reduce((newest, time) => Math.max(newest, Number.isFinite(time) ? time : 0), 0);
}

function judgeRenewal({ hostName }: DoctorPlace, me: AgentIdentity, last: RenewalState | undefined): Finding {
  if (last === undefined) return fine('The certificate has not been due for renewal yet.');
  if (last.code === '') return fine(`The certificate was renewed on ${iso(last.at)}.`);
  const text = `Renewing the certificate failed on ${iso(last.at)}: ${last.message}.`;
  switch (last.code) {
    case 'READMIT_NEEDS_OPERATOR':
      return failed(text, run('coordinator', `reeve host readmit ${me.hostName}`, 'This lets it come back within the next hour.'));
    case 'JOIN_REFUSED':
      return failed(text, run('coordinator', `reeve host invite ${me.hostName} --rejoin`, 'The coordinator does not know this key any more, or has revoked it. Run the line that this prints on this host.'));
    default:
      return failed(text, run(hostName, 'systemctl restart reeve-agent', 'It is tried again; this makes it try at once. See coordinator.'));
  }
}

function iso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${String(ms)} ms` : date.toISOString();
}
