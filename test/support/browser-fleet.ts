import { historySample } from '../../coordinator/desired/history.js';
import { addHost, setJoined } from '../../coordinator/inventory/host.js';
import { addHostKey } from '../../coordinator/inventory/key.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/VhostService.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/BackupService.js';
import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/CertService.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import { sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';
import { accessApi, came, keys, optionsOf } from './access-api.js';
import type { LoopbackAgent, LoopbackFleet } from './loopback-fleet.js';
import { makePublicKey } from './public-key.js';
import { createSimulatedHost, type SimulatedHost } from './simulated-host.js';

const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const nat = serviceName<NatServiceDefinition>('reeve.coordinator.v1.NatService');
const vhosts = serviceName<VhostServiceDefinition>('reeve.coordinator.v1.VhostService');
const certs = serviceName<CertServiceDefinition>('reeve.coordinator.v1.CertService');
const backups = serviceName<BackupServiceDefinition>('reeve.coordinator.v1.BackupService');
const deadline = { deadlineMs: 20_000 };

/** Texts that try to get out of where a page puts them; each says "reeve-evil" so that it is found again. */
export const evil = [
  `"><script>alert('reeve-evil')</script>`,
  `' onmouseover=alert(1) x='reeve-evil`,
  `</title></textarea><img src=x onerror=alert('reeve-evil')>`,
  `\u202ereeve-evil\u202c\u0007\u001b[31m`,
  `=cmd|' /C calc'!A0 reeve-evil`,
] as const;

/** A host that says evil of itself wherever it may say something. */
export function createEvilHost(): SimulatedHost {
  const host = createSimulatedHost({ hostname: evil[0] });
  const readFacts = host.readFacts.bind(host);
  return Object.assign(host, {
    readFacts: async () => {
      const facts = await readFacts();
      const [disk] = facts.disks;
      return {
        ...facts, os: evil[0], kernel: evil[1], cpuModel: evil[2], arch: evil[3], virtualization: evil[4], hostname: evil[0],
        disks: disk === undefined ? [] : [{ ...disk, mount: `/${evil[2]}`, type: evil[1] }],
      };
    },
  });
}

/** A small fleet with something on every page: a parent with a guest, sites, forwards, keys, a certificate, a backup job, a hold, and texts that are hostile. */
export interface BrowserFleet {
  readonly agents: { readonly vm1: LoopbackAgent; readonly web1: LoopbackAgent; readonly db1: LoopbackAgent };
  /** An operation about several hosts. */
  readonly operationId: string;
  readonly fingerprint: string;
}

/** Fills a fleet. */
export async function fillBrowserFleet(fleet: LoopbackFleet): Promise<BrowserFleet> {
  const vm1 = await fleet.addAgent('vm1', { host: createSimulatedHost({ hostname: 'vm1' }) });
  const web1 = await fleet.addAgent('web1', { host: createEvilHost(), parent: 'vm1' });
  const db1 = await fleet.addAgent('db1');
  await fleet.api.unary(hosts, 'SetHost', { host: 'web1', setLabels: ['site=ams', 'role=web'] }, deadline);
  await fleet.api.unary(hosts, 'InviteHost', { name: 'new1' }, deadline);
  const api = accessApi(fleet.api);
  const { operationId } = await api.user('AddUser', 'all', 'deploy');
  await api.person('ada', { displayName: `Ada "O'Neil" (reeve)`, mail: 'ada@example.org' });
  const key = makePublicKey();
  await came(fleet.api.stream(keys, 'AddKey', { options: optionsOf(), person: 'ada', keys: [{ key: { type: key.type, blob: key.blob }, comment: `<script>alert('reeve-evil')</script>` }] }, {}));
  await api.group('ops', { persons: ['ada'] });
  await api.grant({ group: 'ops', selector: 'web1' });
  await came(fleet.api.stream(nat, 'AddForward', { options: optionsOf('STAGE'), host: 'vm1', forward: { protocol: 'NAT_PROTOCOL_TCP', ports: { first: 8080, last: 8080 }, toAddress: '198.19.200.2', toPorts: { first: 80, last: 80 } }, comment: evil[0].replaceAll('"', `'`) }, {}));
  await came(fleet.api.stream(vhosts, 'AddVhost', { options: optionsOf(), host: 'web1', vhost: { name: 'a.example.org', routes: [{ prefix: '/', status: { code: 404 } }] } }, {}));
  await came(fleet.api.stream(certs, 'AddCert', { options: optionsOf(), host: 'web1', cert: { name: 'front', names: ['a.example.org'], days: 20 } }, {}));
  for (const name of ['store1', 'store2']) joinAbsent(fleet, name);
  await fleet.api.unary(backups, 'AddBackup', { options: optionsOf(), backup: { name: 'web', folders: ['/srv'], source: 'store1', destination: 'store2', folder: '/backup/web', retention: { daily: 7 }, schedule: { cron: '0 2 * * *', windowMinutes: 0 }, active: true, shrinkPercent: 50, verifyDays: 7 } }, deadline);
  await fleet.api.unary(hosts, 'HoldHost', { host: 'db1', duration: { seconds: 3600 }, reason: `it's "frozen" for reeve-evil` }, deadline);
  await fleet.api.unary(operators, 'AddOperator', { name: 'grace', role: 'viewer', labels: [] }, deadline);
  await noteDay(fleet, web1);
  return { agents: { vm1, web1, db1 }, operationId, fingerprint: key.fingerprint };
}

/** A host that has joined and is never there. */
function joinAbsent(fleet: LoopbackFleet, name: string): void {
  const { db } = fleet.office();
  const id = newId(Date.now());
  addHost(db, { id, name, endpoint: { address: '192.0.2.1', port: 7420 }, parentId: undefined, now: 1 });
  setJoined(db, id, { now: 1, from: undefined, agentVersion: '9.0.0', machineHint: undefined });
  addHostKey(db, { fingerprint: sha256(name).toString('hex'), hostId: id, publicKey: Buffer.from(name), state: 'current', notAfterMs: 4e12, issuedAtMs: 1 });
}

/** A day of history of a host, with two hours in which it was away. */
async function noteDay(fleet: LoopbackFleet, { host, hostId }: LoopbackAgent): Promise<void> {
  const facts = await host.readFacts();
  const { history } = fleet.office();
  const now = Date.now();
  for (let at = now - 86_000_000; at < now - 600_000; at += 600_000) {
    const hour = (now - at) / 3_600_000;
    if (hour > 9 && hour < 11) continue;
    history.note([historySample(hostId, { ...facts, load: [0, 1 + Math.sin(hour), 0], memoryAvailableBytes: facts.memoryTotalBytes * (0.5 + Math.cos(hour) / 4) })], at);
  }
}
