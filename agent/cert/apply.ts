import type { WriteCertsRequest, WriteCertsRequestInput } from '../../shared/gen/proto/reeve/agent/v1/WriteCertsRequest.js';
import type { WriteCertsResponse, WriteCertsResponseInput } from '../../shared/gen/proto/reeve/agent/v1/WriteCertsResponse.js';
import { readChain, timeProblem } from '../../shared/kit/cert-chain.js';
import { sha256 } from '../../shared/kit/digest.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { certDigestModel, formatCert, formatCertState, mostCerts, parseCerts, type Cert } from '../../shared/model/cert.js';
import { formatChange } from '../../shared/model/change.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { callHelper } from '../engine/apply.js';
import { parseIntent } from '../engine/intent.js';
import type { NounWork } from '../engine/noun.js';
import type { Plan } from '../engine/step.js';
import type { Host } from '../host/host.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import { makeCert } from './make.js';
import { formatNote } from './note.js';
import { observeCerts, type ObservedCerts } from './observe.js';
import { certRefusals, planCertRelease, planCerts } from './plan.js';
import { keepCerts, restoreCerts } from './restore.js';
import type { WantedCert } from './wanted.js';

/** What is wanted of the certificates. */
export interface WantedCerts {
  /** By name. */
  readonly certs: readonly Cert[];
  /** A hold lasts: no certificate gives or takes access, so that nothing is done. */
  readonly held: boolean;
  /** SPKI sha256 of keys that are going to come, hex. */
  readonly coming: ReadonlySet<string>;
}

/** The work of WriteCerts. */
export type CertWork = NounWork<WriteCertsRequest, WantedCerts, ObservedCerts, WriteCertsResponseInput>;

const none: ReadonlySet<string> = new Set();

/** WriteCerts, as the engine runs it. */
export function certWork(host: Host, hostName: string): CertWork {
  const request = messageCodec<WriteCertsRequestInput, WriteCertsRequest>('reeve.agent.v1.WriteCertsRequest');
  const ask = (policy: UsablePolicy) => (operation: string, args: Readonly<Record<string, string | undefined>>) => policyProblem(policy, hostName, operation, args);
  return {
    noun: 'cert',
    part: 'certs',
    method: 'reeve.agent.v1.CertService/WriteCerts',
    request,
    response: messageCodec<WriteCertsResponseInput, WriteCertsResponse>('reeve.agent.v1.WriteCertsResponse'),
    parse: (wire) => {
      const intent = parseIntent(wire.intent);
      const coming = parseComing(wire.coming, intent.mode);
      return { intent, wanted: { certs: intent.release ? [] : parseCerts(wire.certs), held: false, coming } };
    },
    observe: (_wanted, operationId) => observeCerts(host.helper, operationId),
    model: modelOf,
    plan: (wanted, observed, policy) => planWanted(host, hostName, { wanted, observed, policy }),
    removalOnly: (wanted) => ({ ...wanted, held: true }),
    release: (observed, policy) => {
      const denied = ask(policy)('cert.release', {});
      return planCertRelease(observed, denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }]);
    },
    refused: ({ certs }, policy) => certRefusals(certs, ask(policy)),
    undo: {
      keep: keepCerts,
      restore: (saved, observed) => {
        const { wanted, notes } = restoreCerts(saved, observed);
        return { wanted: { certs: wanted, held: false, coming: none }, notes };
      },
      format: (intent, { certs }) => request.decode(request.encode({ intent, certs: certs.map(formatCert) })),
      nothing: { certs: [], held: false, coming: none },
    },
    perform: (step, operationId) => (step.verb === 'cert.make' ? makeCert(host, operationId, step) : callHelper(host.helper, operationId, step)),
    respond: ({ observed, changes, held, digestBefore, digest, policyDigest }) => ({
      changes: changes.map(formatChange), digestBefore, digest, policyDigest, held: formatHeld(held),
      certs: observed.certs.map(formatCertState),
    }),
    stepDone: () => failpoint('agent.cert.step'),
  };
}

/** The digest model of what was observed. */
export function modelOf({ certs }: ObservedCerts): ReturnType<CertWork['model']> {
  return certDigestModel(certs.map((cert) => ({ ...cert, note: cert.noteText })));
}

function parseComing(list: readonly Uint8Array[], mode: 'plan' | 'apply'): ReadonlySet<string> {
  if (list.length === 0) return none;
  if (mode !== 'plan') throw fieldInvalid('coming', `${String(list.length)} keys`, 'only with PLAN');
  if (list.length > mostCerts.certs || list.some((spki) => spki.length !== 32)) throw fieldInvalid('coming', `${String(list.length)} keys`, `at most ${String(mostCerts.certs)} of 32 bytes`);
  return new Set(list.map((spki) => Buffer.from(spki).toString('hex')));
}

function planWanted(host: Host, hostName: string, { wanted, observed, policy }: { wanted: WantedCerts; observed: ObservedCerts; policy: UsablePolicy }): Plan {
  if (wanted.held) return { steps: [], changes: [], problems: [] };
  const now = host.clock.now();
  return planCerts({
    wanted: wanted.certs.map((cert) => readWanted(cert, now)),
    observed, now, hostName,
    coming: wanted.coming,
    groups: host.readAccounts().groups,
    deny: (operation, args) => policyProblem(policy, hostName, operation, args),
  });
}

function readWanted(cert: Cert, now: number): WantedCert {
  const { source } = cert;
  const note = formatNote(source, (text) => sha256(text).toString('hex'));
  if (source.kind === 'self-signed') return { cert, note, facts: undefined, sha256: '', problem: undefined };
  const { facts, problem } = readChain(source.chainPem);
  return { cert, note, facts, sha256: sha256(source.chainPem).toString('hex'), problem: problem ?? (facts === undefined ? undefined : timeProblem(facts, now)) };
}
