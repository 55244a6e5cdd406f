import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import type { CertServiceDefinition as AgentCerts } from '../../shared/gen/proto/reeve/agent/v1/CertService.js';
import type { ManagedCertInput } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedCert.js';
import type { ShowCertRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ShowCertRequest.js';
import type { ShowCertResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ShowCertResponse.js';
import { formatCert, formatCertState } from '../../shared/model/cert.js';
import { serviceName } from '../../shared/rpc/client.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { byEnd, type CertRow } from '../desired/cert.js';
import { certsOf, setCertStates } from '../inventory/cert.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, isOwed } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { vhostsWithCert } from '../inventory/vhost.js';
import { isUnwritable, writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { requireAble } from '../reconcile/able.js';
import { certNoun, parseCertStates } from '../reconcile/cert.js';
import { findCert } from './cert-change.js';
import { hostFor, listedHosts, type Scoped } from './select.js';

const agentCerts = serviceName<AgentCerts>('reeve.agent.v1.CertService');

/** What should be on the hosts of a selector, those first that end first. */
export function listCerts({ db }: Office, caller: Scoped, selector: string): ManagedCertInput[] {
  const hosts = listedHosts(db, caller, selector);
  const rows = hosts.flatMap((host) => certsOf(db, host.id).map((row) => ({ ...row, hostName: host.name, host })));
  return rows.sort(byEnd).map(({ host, ...row }) => formatRow(db, host, row, { chain: false }));
}

/** One certificate, asked of its host as far as that answers. */
export async function showCert(office: Office, caller: Scoped, request: ShowCertRequest): Promise<ShowCertResponseInput> {
  const { db } = office;
  const host = hostFor(db, caller, request.host);
  findCert(db, host, request.name);
  const unasked = await askStates(office, host);
  return { cert: formatRow(db, host, findCert(db, host, request.name), { chain: true }), unasked };
}

/** Notes what a host says of its certificates now; answers why it could not be asked. */
async function askStates({ db, fleet, clock }: Office, host: HostRow): Promise<string> {
  try {
    requireAble(fleet.live(host.id), certNoun);
    const { certs } = await fleet.call(host, agentCerts, 'ObserveCerts', {}, { deadlineMs: 10_000 });
    writing(db, () => setCertStates(db, host.id, parseCertStates(certs), clock.now()));
    return '';
  } catch (error) {
    if (isUnwritable(error)) return 'the inventory takes no writes';
    if (error instanceof ReeveError) return error.items.map(formatMessage).join('; ').slice(0, 1024);
    throw error;
  }
}

function formatRow(db: Database, host: HostRow, row: CertRow, { chain }: { chain: boolean }): ManagedCertInput {
  const generation = getGeneration(db, host.id, certNoun.name);
  const pending = isOwed(generation, row.generation);
  const cert = formatCert(row.cert);
  return {
    hostName: host.name,
    cert: chain ? cert : { ...cert, chainPem: '' },
    state: row.state === undefined ? null : wireState(row.state),
    sites: vhostsWithCert(db, host.id, row.cert.name),
    addedAt: toTimestamp(row.addedAtMs),
    addedBy: row.by,
    pending,
    pendingReason: pending ? generation.reason : '',
  };
}

function wireState(state: NonNullable<CertRow['state']>): NonNullable<ManagedCertInput['state']> {
  const { fingerprint, spki, ...rest } = formatCertState(state);
  return { ...rest, fingerprint: Buffer.from(fingerprint), spki: Buffer.from(spki) };
}
