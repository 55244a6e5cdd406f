import type { ChangeEventInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostInput } from '../../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { HostResultInput } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { ChangeInput } from '../../../shared/gen/proto/reeve/type/v1/Change.js';
import type { HoldInput } from '../../../shared/gen/proto/reeve/type/v1/Hold.js';
import { toTimestamp } from '../../../shared/rpc/time.js';
import { alertAnswers } from './answer-alert.js';
import { backupAnswers } from './answer-backup.js';
import { certAnswers } from './answer-cert.js';
import { containerAnswers } from './answer-container.js';
import { unitAnswers } from './answer-unit.js';
import { vhostAnswers } from './answer-vhost.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

/** A time so many seconds before now. */
const ago = (seconds: number): { seconds: number; nanos: number } => toTimestamp(nowMs - seconds * 1000);

const id = (number: number): string => `01930000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** A hold of the canned fleet. */
const held: HoldInput = { noun: '', until: toTimestamp(nowMs + 4 * 3_600_000), by: 'uid:ada', reason: 'disk swap', since: ago(60), local: false };

/** The hosts of the canned fleet. */
export const hosts: readonly HostInput[] = [
  {
    id: id(1), name: 'web1', address: '192.0.2.1:7420', labels: ['role=web', 'site=ams'], state: 'HOST_STATE_CONNECTED', lastSeenAt: ago(4), agentVersion: '1.2.3',
    clockOffsetMs: -12, certificateNotAfter: toTimestamp(nowMs + 5 * 86_400_000), joinedAt: ago(86_400), link: 'HOST_LINK_DIRECT', relay: '192.0.2.1',
  },
  { id: id(2), name: 'web2', address: '[2001:db8::2]:7420', labels: ['role=web'], parent: 'web1', link: 'HOST_LINK_PARENT', state: 'HOST_STATE_LOST', lastSeenAt: ago(7200), agentVersion: '1.2.2', pending: ['user'], lostReason: 'connection refused', joinedAt: ago(90_000) },
  { id: id(3), name: 'db.example.org', state: 'HOST_STATE_INVITED', link: 'HOST_LINK_DIAL_OUT', drifted: ['user'], holds: [{ ...held, noun: 'user', local: true, by: 'root', reason: 'hands off\u001b[2J' }] },
];

/** A host that would make an account. */
export const created: HostResultInput = {
  hostId: id(1), hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'user', durationMs: 12,
  changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'user', subject: 'ada', fields: [{ field: 'uid', to: '20001' }, { field: 'shell', to: '/bin/bash' }, { field: 'groups', to: 'www-data' }] }],
};
/** A host that would alter one. */
export const altered: HostResultInput = {
  hostId: id(2), hostName: 'web2', outcome: 'OUTCOME_OK', noun: 'user', durationMs: 14,
  changes: [{ kind: 'CHANGE_KIND_UPDATE', noun: 'user', subject: 'ada', fields: [{ field: 'shell', from: '/bin/sh', to: '/bin/bash' }, { field: 'groups', from: 'www-data', to: '' }] }],
};
/** A host that would remove one. */
export const removed: HostResultInput = { hostId: id(4), hostName: 'web4', outcome: 'OUTCOME_OK', noun: 'user', changes: [{ kind: 'CHANGE_KIND_REMOVE', noun: 'user', subject: 'ada', fields: [] }] };
/** A host that lets go of its users, and of itself. */
export const released: HostResultInput = {
  hostId: id(1), hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'host',
  changes: [{ kind: 'CHANGE_KIND_UPDATE', noun: 'host', subject: 'web1', fields: [{ field: 'state', from: 'managed', to: 'released' }] }],
};
/** A host with nothing to do. */
export const same: HostResultInput = { hostId: id(5), hostName: 'web5', outcome: 'OUTCOME_OK', noun: 'user' };
/** A host that cannot be reached. */
export const unreachable: HostResultInput = { hostId: id(3), hostName: 'web3', outcome: 'OUTCOME_PENDING', noun: 'user', errors: [{ code: 'HOST_UNREACHABLE', fields: { host: 'web3', reason: 'connection refused' } }] };
/** A host that has not joined. */
export const invited: HostResultInput = { hostId: id(6), hostName: 'web6', outcome: 'OUTCOME_PENDING', noun: 'user', errors: [{ code: 'HOST_NOT_JOINED', fields: { host: 'web6' } }] };
/** A host whose policy says no. */
export const refused: HostResultInput = {
  hostId: id(7), hostName: 'web7', outcome: 'OUTCOME_FAILED', noun: 'user',
  errors: [{ code: 'POLICY_DENIED', fields: { host: 'web7', op: 'user.add', args: 'name=ada', line: 'allow user.add name=ada' } }],
};
/** A host that says the request itself is wrong. */
export const mistaken: HostResultInput = { hostId: id(8), hostName: 'web8', outcome: 'OUTCOME_FAILED', noun: 'user', errors: [{ code: 'USER_RESERVED', fields: { value: 'ada', rule: 'it is reserved here' } }] };
/** A host that is held: it locks, and holds the rest back. */
export const heldBack: HostResultInput = {
  hostId: id(10), hostName: 'web10', outcome: 'OUTCOME_PENDING', noun: 'user',
  changes: [{ kind: 'CHANGE_KIND_UPDATE', noun: 'user', subject: 'bob', fields: [{ field: 'presence', from: 'present', to: 'locked' }] }],
  held: [{ kind: 'CHANGE_KIND_CREATE', noun: 'user', subject: 'ada', fields: [{ field: 'shell', to: '/bin/bash' }] }],
  errors: [{ code: 'HOST_HELD', fields: { host: 'web10', noun: 'user', text: 'held until 2026-01-31T09:05:00Z by uid:ada: disk swap', remedy: 'reeve host hold web10 --end' } }],
};
/** A held host whose agent is of before there were holds. */
export const heldOld: HostResultInput = { ...heldBack, hostId: id(11), hostName: 'web11', changes: [], held: [], errors: [...(heldBack.errors ?? []), { code: 'HOST_HOLD_UNSUPPORTED', fields: { host: 'web11' } }] };
/** A host whose answer was lost. */
export const lost: HostResultInput = { hostId: id(9), hostName: 'web9', outcome: 'OUTCOME_UNKNOWN', noun: 'user', errors: [{ code: 'OUTCOME_UNKNOWN', fields: { host: 'web9' } }] };

/** The events of a change with these results, as its mode wants them. */
export function changeEvents(results: readonly HostResultInput[], inventory: readonly ChangeInput[] = []) {
  return ({ options }: { options: { mode: string; operationId: string } }): ChangeEventInput[] => {
    const failed = results.some((result) => result.outcome === 'OUTCOME_FAILED');
    const pending = results.find((result) => result.outcome === 'OUTCOME_PENDING' || result.outcome === 'OUTCOME_UNKNOWN');
    const outcome = failed ? 'OUTCOME_FAILED' : (pending?.outcome ?? 'OUTCOME_OK');
    switch (options.mode) {
      case 'CHANGE_MODE_PLAN':
        return [{ planned: { planId: failed ? '' : id(77), hosts: [...results], inventory: [...inventory] } }, { finished: { outcome } }];
      case 'CHANGE_MODE_STAGE':
        return [{ planned: { planId: id(77), hosts: [...results] } }, { finished: { operationId: id(99), outcome: 'OUTCOME_PENDING', stored: true } }];
      default:
        return [...(inventory.length === 0 ? [] : [{ planned: { planId: '', hosts: [], inventory: [...inventory] } }]), ...results.map((host) => ({ host })), { finished: { operationId: id(99), outcome, stored: true } }];
    }
  };
}

/** A host that lets somebody in. */
export const letIn: HostResultInput = {
  hostId: id(1), hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'key',
  changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'key', subject: 'ada', fields: [{ field: 'SHA256:q83vASNFZ4k', to: 'ada: grant 12' }] }],
};
/** A host that lets somebody in no more. */
export const keptOut: HostResultInput = {
  hostId: id(1), hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'key',
  changes: [{ kind: 'CHANGE_KIND_UPDATE', noun: 'key', subject: 'ada', fields: [{ field: 'SHA256:q83vASNFZ4k', from: 'ada: grant 12' }] }],
};
/** A host with an agent of before there were keys. */
export const tooOld: HostResultInput = { hostId: id(12), hostName: 'web12', outcome: 'OUTCOME_FAILED', noun: 'key', errors: [{ code: 'VERSION_UNSUPPORTED', fields: { value: '1.0.0 of the agent', rule: 'it cannot manage SSH keys yet' } }] };
/** The inventory gets a person. */
export const personAdded: ChangeInput = { kind: 'CHANGE_KIND_CREATE', noun: 'person', subject: 'ada', fields: [{ field: 'name', to: 'Ada Lovelace' }, { field: 'mail', to: 'ada@example.org' }] };

const fingerprint = 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU';
const key = { fingerprint, key: { type: 'ssh-ed25519', blob: Buffer.from('0000000b7373682d6564323535313900000020', 'hex') }, comment: 'ada@laptop', options: { restrict: true, from: ['192.0.2.0/24'], expiresAt: ago(-9_000_000) }, person: 'ada', addedAt: ago(86_400) };
const grants = [
  { id: 12, person: 'ada', selector: 'role=web', user: 'ada', expiresAt: ago(-28_800), reason: 'disk swap', addedAt: ago(60), addedBy: 'root' },
  { id: 13, group: 'ops', selector: 'web1', addedAt: ago(60), addedBy: 'bob', expiresAt: ago(30), expired: true },
  { id: 14, key: fingerprint, selector: 'all', user: 'deploy', addedAt: ago(60), addedBy: 'bob' },
];
const ways = [
  { host: 'web1', user: 'ada', person: 'ada', key: fingerprint, why: 'grant 12, grant 13 via ops', since: ago(60), expiresAt: ago(-28_800) },
  { host: 'web1', user: 'deploy', key: fingerprint, why: 'grant 14', since: ago(86_400), pending: true },
];
const person = { name: 'ada', displayName: 'Ada Lovelace', mail: 'ada@example.org', active: true, keys: 2, addedAt: ago(86_400) };
const group = { name: 'ops', members: [{ person: 'ada' }, { person: 'bob', expiresAt: ago(-28_800) }, { host: 'web1' }, { key: fingerprint }], grants: [13] };

const user = { name: 'ada', presence: 'USER_PRESENCE_PRESENT', kind: 'USER_KIND_HOME', shell: '/bin/bash', comment: 'Ada', groups: ['adm', 'www-data'] } as const;

/** A host that would forward a port. */
export const forwarded: HostResultInput = {
  hostId: id(1), hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'nat',
  changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'nat', subject: 'tcp/8080 -> 198.19.200.2:80', fields: [{ field: 'comment', to: 'the site' }] }],
};
/** A host that took a change back. */
export const reverted: HostResultInput = { ...forwarded, outcome: 'OUTCOME_FAILED', changes: [], errors: [{ code: 'CONFIRM_REVERTED', fields: { host: 'web1', noun: 'nat', reason: 'agent web3 unreachable' } }] };
/** A change of web1 that waits. */
export const waiting = { hostName: 'web1', noun: 'nat', leftMs: 43_000, missing: ['agent web3 unreachable'] };

const forward = { id: 7, protocol: 'NAT_PROTOCOL_TCP', ports: { first: 8080, last: 8080 }, toAddress: '198.19.200.2', toPorts: { first: 80, last: 80 }, hairpin: true } as const;
const range = { ...forward, id: 8, protocol: 'NAT_PROTOCOL_UDP', listenInterface: 'eth0', ports: { first: 5000, last: 5090 }, toAddress: '2001:db8::7', toPorts: { first: 5000, last: 5090 }, sources: ['2001:db8:1::/48', '2001:db8:2::1'], hairpin: false } as const;
const masquerade = { id: 9, source: '198.19.200.0/24', outInterface: 'eth0' };
const managedNat = [
  { hostName: 'web1', forward, toHost: 'web2', comment: 'the site', enabled: true, addedAt: ago(86_400), addedBy: 'ada', counter: { id: 7, connections: 1234, bytes: 74_040 } },
  { hostName: 'web1', forward: range, comment: 'phones', enabled: false, addedAt: ago(60), addedBy: 'bob', pending: true, pendingReason: 'agent web3 unreachable' },
  { hostName: 'web1', masquerade: { ...masquerade, toAddress: '192.0.2.1' }, enabled: true, addedAt: ago(60), addedBy: 'bob' },
];
const foreignNat = [
  { rule: 'ip nat PREROUTING handle 4', forward: { ...forward, id: 0, ports: { first: 8081, last: 8081 }, toAddress: '198.19.200.3' }, owner: 'iptables', bootSources: ['/etc/network/interfaces:12', '/etc/rc.local:3'] },
  { rule: 'ip nat DOCKER handle 9', forward: { ...forward, id: 0, ports: { first: 8082, last: 8082 }, sources: ['192.0.2.0/24'] }, owner: 'docker', problem: 'docker makes it, and makes it again', bootSources: ['/etc/docker/x:1'] },
  { rule: 'ip nat POSTROUTING handle 5', masquerade: { ...masquerade, id: 0, source: '198.19.201.0/24' }, owner: 'iptables' },
  { rule: 'ip nat POSTROUTING handle 6', owner: '', problem: 'it has a match that Reeve does not know' },
];

/** The events of a change of nat: where it is applied, the host waits first. */
function natEvents(result: HostResultInput) {
  const events = changeEvents([result]);
  return (request: Parameters<typeof events>[0]): ChangeEventInput[] =>
    request.options.mode === 'CHANGE_MODE_APPLY' ? [{ waiting }, { waiting: { ...waiting, leftMs: 42_000, missing: [] } }, { confirmed: { hostName: 'web1', noun: 'nat' } }, ...events(request)] : events(request);
}

/** What the canned coordinator answers when a test says nothing else. */
export const answers: Handlers = {
  'FleetService.InitFleet': () => ({ fleetId: '5f0c9d5e-3c2b-4a1f-8e7d-6c5b4a392817', pin: 'ab'.repeat(32) }),
  'FleetService.GetFleet': () => ({
    fleetId: '5f0c9d5e-3c2b-4a1f-8e7d-6c5b4a392817', addresses: ['fleet.example.org', '192.0.2.7'], agentsPort: 7421, enrolmentPort: 7422, operatorsPort: 7423, epoch: 2, pin: 'ab'.repeat(32), movedVersion: 3,
    moved: 'reevemoved1_abc', denyListVersion: 1, denied: 2, certificateNotAfter: ago(-500_000), connected: 2, movedKnown: 2, denyListKnown: 1,
  }),
  'FleetService.SetFleet': () => ({ movedVersion: 4, moved: 'reevemoved1_abd' }),
  'FleetService.RekeyFleet': () => ({ denyListVersion: 2, denied: 3 }),
  'FleetService.GetStatus': () => ({
    fleetId: '5f0c9d5e-3c2b-4a1f-8e7d-6c5b4a392817', version: '1.2.3', startedAt: ago(3600), hosts: { total: 3, connected: 1, lost: 1, invited: 1 }, pending: 1, drifted: 0,
    health: [{ code: 'HOST_LOST', title: 'Host does not answer', severity: 'error', text: 'Look at its network, or at reeve-agent.service there.', since: ago(7200), hostName: 'web2' }],
  }),
  'HostService.InviteHost': () => ({ hostId: id(1), token: 'reeve1:abc', command: "printf %s 'reeve1:abc' | sudo reeve-agent join --address fleet.example.org", expiresAt: ago(-1800) }),
  'HostService.ProveHost': () => ({ host: hosts[0], status: { agentVersion: '1.2.3', policyState: 'ok', helperState: 'ok' }, roundTripUs: 2150 }),
  'HostService.ListHost': () => ({ hosts }),
  'HostService.GetHost': () => ({
    host: hosts[0],
    facts: {
      gatheredAt: ago(30), hostname: 'web1', os: 'Debian GNU/Linux 12 (bookworm)', osId: 'debian 12', kernel: '6.1.0-18-amd64', arch: 'x86_64', cpuModel: 'AMD EPYC 7302P', cpuCount: 2, load: [0.1, 0.25, 1],
      memoryTotalBytes: 2_147_483_648, memoryAvailableBytes: 1_610_612_736, disks: [{ mount: '/', type: 'ext4', totalBytes: 21_474_836_480, availableBytes: 10_737_418_240, inodesTotal: 1_310_720, inodesFree: 65_536 }],
      addresses: [{ interface: 'eth0', address: '192.0.2.1' }], uptimeS: 864_000, bootId: 'b0', virtualization: 'kvm', agentVersion: '1.2.3', machineHint: Buffer.alloc(32, 7),
      pressure: { cpuSome: 5.24, memorySome: 0.5, memoryFull: 0, ioSome: 12, ioFull: 8.25 }, rebootRequired: true,
    },
    status: {
      agentVersion: '1.2.3', capabilities: ['user.adopt'], bootId: 'b0', policyState: 'ok', policyDigest: Buffer.alloc(32, 1), helperState: 'ok', helperVersion: '1.2.3', auditSeq: 17, auditHead: Buffer.alloc(32, 2),
      auditState: 'ok', upgrade: 'the upgrade to 1.2.4 was reverted to 1.2.3 on 2026-02-28T12:00:00.000Z because it was not ready after 45 s (state activating)', privileges: { kernel: '6.1.0-18-amd64', landlockAbi: 2, peerCheck: 'cred', openat2: true, seccomp: true },
      relay: { listen: '192.0.2.1', listenProblem: 'port 7421: EADDRINUSE', children: 1, openStreams: 1, streams: 4, bytesToChildren: 70_000, bytesFromChildren: 150_000, refusals: 2, openConnections: 0, connections: 3 },
    },
  }),
  'MetricService.GetHistory': () => ({
    points: [{ at: ago(600), load: 0.05, memoryPercent: 25, diskPercent: 50, cpuPressure: 5.25, memoryPressure: 0, ioPressure: 8.25 }],
    disks: [{ mount: '/', totalBytes: 21_474_836_480, availableBytes: 10_737_418_240, growthPerDayBytes: 894_784_853, fullAt: ago(-12 * 86_400) }],
  }),
  'MetricService.MakeMetricToken': () => ({ token: `reevemetrics1_${'A'.repeat(43)}`, listener: '127.0.0.1:7425' }),
  'MetricService.RevokeMetricToken': () => ({ revoked: true }),
  'HostService.SetHost': () => ({ host: hosts[0] }),
  'HostService.RetireHost': () => ({}),
  'HostService.ReleaseHost': changeEvents([released]),
  'HostService.RevokeHost': () => ({}),
  'HostService.ReadmitHost': () => ({ hosts: ['web1', 'web2'] }),
  'HostService.HoldHost': () => ({ host: { ...hosts[0], holds: [held] } }),
  'HostService.UnholdHost': () => ({ host: { ...hosts[0], holds: [{ ...held, local: true, by: 'root' }] }, ended: 1 }),
  'UserService.AddUser': changeEvents([created, altered, unreachable, same]),
  'UserService.LockUser': changeEvents([created]),
  'UserService.UnlockUser': changeEvents([altered]),
  'UserService.RemoveUser': changeEvents([removed]),
  'UserService.AdoptUser': changeEvents([created]),
  'UserService.ListUser': () => ({
    users: [
      { hostName: 'web1', user, observedUid: 20_001 },
      { hostName: 'web2', user: { ...user, presence: 'USER_PRESENCE_LOCKED' }, pending: true, pendingReason: 'connection refused' },
    ],
  }),
  'UserService.ObserveUser': () => ({
    users: [
      { name: 'ada', uid: 20_001, gid: 20_001, shell: '/bin/bash', comment: 'Ada', home: '/home/ada', groups: ['www-data'], marker: 'home', present: true },
      { name: 'root', uid: 0, gid: 0, shell: '/bin/bash', comment: 'root', home: '/root', locked: true, present: true },
    ],
  }),
  'PersonService.AddPerson': changeEvents([], [personAdded]),
  'PersonService.SetPerson': changeEvents([keptOut], [{ kind: 'CHANGE_KIND_UPDATE', noun: 'person', subject: 'ada', fields: [{ field: 'state', from: 'active', to: 'revoked' }] }]),
  'PersonService.RemovePerson': changeEvents([keptOut], [{ kind: 'CHANGE_KIND_REMOVE', noun: 'person', subject: 'ada' }]),
  'PersonService.ListPerson': () => ({ persons: [person, { ...person, name: 'bob', displayName: 'B\u202eob', mail: '', active: false, expiresAt: ago(-9_000_000) }] }),
  'PersonService.GetPerson': () => ({ person, keys: [fingerprint], groups: ['ops'], grants: [12], owned: ['web1'] }),
  'KeyService.AddKey': changeEvents([letIn], [{ kind: 'CHANGE_KIND_CREATE', noun: 'key', subject: fingerprint, fields: [{ field: 'owner', to: 'ada' }] }]),
  'KeyService.RemoveKey': changeEvents([keptOut, unreachable], [{ kind: 'CHANGE_KIND_REMOVE', noun: 'key', subject: fingerprint }]),
  'KeyService.ListKey': ({ fingerprint: one }: { fingerprint: string }) => ({ keys: one === '' ? [key, { ...key, person: '', host: 'web1', user: 'backup', options: null, comment: '' }] : [key] }),
  'KeyService.ObserveForeignKey': () => ({
    keys: [
      { observed: { user: 'root', origin: '/root/.ssh/authorized_keys', line: 1, key: key.key, comment: 'bob@old\u001b[2J' }, fingerprint, owner: 'bob' },
      { observed: { user: 'root', origin: '/root/.ssh/authorized_keys', line: 2, comment: '', problem: 'option "command" is not known' } },
    ],
    unread: [{ user: 'carol', path: '/home/carol/.ssh/authorized_keys', reason: 'it is a symbolic link' }],
    sshd: { paths: ['.ssh/authorized_keys'], dropIn: 'absent', others: ['AuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys'] },
    truncated: true,
  }),
  'KeyService.AdoptKey': changeEvents([letIn], [{ kind: 'CHANGE_KIND_CREATE', noun: 'grant', subject: '15', fields: [{ field: 'who', to: fingerprint }, { field: 'on', to: 'web1' }, { field: 'user', to: 'deploy' }] }]),
  'GroupService.AddGroup': changeEvents([letIn], [{ kind: 'CHANGE_KIND_CREATE', noun: 'group', subject: 'ops', fields: [{ field: 'member', to: 'ada' }] }]),
  'GroupService.RemoveGroup': changeEvents([keptOut], [{ kind: 'CHANGE_KIND_UPDATE', noun: 'group', subject: 'ops', fields: [{ field: 'member', from: 'ada' }] }]),
  'GroupService.ListGroup': () => ({ groups: [{ name: 'empty' }, group] }),
  'GroupService.GetGroup': () => ({ group }),
  'GrantService.AddGrant': changeEvents([created, letIn, tooOld], [{ kind: 'CHANGE_KIND_CREATE', noun: 'grant', subject: '12', fields: [{ field: 'who', to: 'ada' }, { field: 'on', to: 'role=web' }] }]),
  'GrantService.SetGrant': changeEvents([letIn], [{ kind: 'CHANGE_KIND_UPDATE', noun: 'grant', subject: '12', fields: [{ field: 'until', to: '2026-03-01T00:00:00Z' }] }]),
  'GrantService.RemoveGrant': changeEvents([keptOut], [{ kind: 'CHANGE_KIND_REMOVE', noun: 'grant', subject: '12' }]),
  'GrantService.ListGrant': () => ({ grants }),
  'GrantService.GetGrant': () => ({ grant: grants[0], hosts: ['web1', 'web2'] }),
  'AccessService.ListAccess': () => ({ access: ways }),
  'AccessService.ExplainAccess': () => ({ allowed: true, ways: ways.slice(0, 1), obstacles: ['Grant 13 ended 2026-01-31T09:05:00Z.'] }),
  'AccessService.RevokePerson': changeEvents([keptOut, unreachable], [{ kind: 'CHANGE_KIND_UPDATE', noun: 'person', subject: 'ada', fields: [{ field: 'state', from: 'active', to: 'revoked' }] }]),
  'AccessService.GetRevocation': () => ({
    person: 'ada', displayName: 'Ada Lovelace', at: ago(60), by: 'uid:root', operationId: id(99), purgeForeign: true, endSessions: true, keys: [fingerprint],
    hosts: [
      { host: 'web1', acknowledgedAt: ago(59), digest: Buffer.alloc(32, 5), purged: 1, ended: 2 },
      { host: 'web2', reason: 'connection refused' },
      { host: 'web3', acknowledgedAt: ago(59), digest: Buffer.alloc(32, 6), remaining: 1, sessions: 1 },
    ],
  }),
  'NatService.AddForward': natEvents(forwarded),
  'NatService.AddMasquerade': natEvents({ ...forwarded, changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'nat', subject: 'masquerade 198.19.200.0/24' }] }),
  'NatService.RemoveNat': natEvents({ ...forwarded, changes: [{ kind: 'CHANGE_KIND_REMOVE', noun: 'nat', subject: 'tcp/8080 -> 198.19.200.2:80' }] }),
  'NatService.SetNat': natEvents(forwarded),
  'NatService.AdoptNat': natEvents({ ...forwarded, changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'nat', subject: 'tcp/8081 -> 198.19.200.3:80' }] }),
  'NatService.ConfirmNat': () => ({ operationId: id(99) }),
  'NatService.ListNat': () => ({ rows: managedNat }),
  'NatService.ObserveNat': () => ({
    forwards: [forward, range], masquerades: [masquerade], counters: [{ id: 7, connections: 1234, bytes: 74_040 }, { id: 9, masquerade: true, connections: 5, bytes: 300 }],
    state: 'altered', foreign: foreignNat, unread: ['/etc/ufw/user.rules'], truncated: true,
  }),
  'NatService.TraceNat': () => ({
    steps: [
      { rule: 'inet reeve prerouting handle 17', verdict: 'dnat to 198.19.200.2:80', ours: true },
      { rule: 'ip filter FORWARD handle 3', verdict: 'jump DOCKER-USER', maybe: true },
      { rule: 'ip filter FORWARD policy', verdict: 'drop' },
    ],
    verdict: 'drop', arrives: '', interface: 'eth0',
  }),
  'NatService.ExplainNat': () => ({
    rows: managedNat.slice(0, 1), state: 'altered', foreign: foreignNat.slice(0, 1),
    records: [{ at: ago(86_400), by: 'ada', action: 'NatService/AddForward host=web1 tcp/8080 to=web2:80', phase: 'ok' }],
  }),
  ...vhostAnswers(changeEvents),
  ...alertAnswers,
  ...certAnswers(changeEvents),
  ...containerAnswers(changeEvents),
  ...unitAnswers(),
  ...backupAnswers,
  'PlanService.Reconcile': changeEvents([created, removed]),
  'PlanService.ListPending': () => ({ pending: [{ hostName: 'web2', noun: 'user', generation: 4, applied: 3, reason: 'connection refused', since: ago(600) }] }),
  'DoctorService.CheckHost': () =>
    [
      { name: 'inventory', state: 'CHECK_STATE_OK', text: 'Host "web1" has joined.' },
      { name: 'route', state: 'CHECK_STATE_FAILED', text: '192.0.2.1:7420 can be reached, but nothing listens there.', fix: 'Start the agent.', command: 'systemctl restart reeve-agent', commandAt: 'web1' },
      { name: 'tls', state: 'CHECK_STATE_SKIPPED', text: 'Not looked at: it depends on "route".' },
      { name: 'coordinator-disk', state: 'CHECK_STATE_WARNING', text: '/var/lib/reeved on the coordinator is nearly full.', fix: 'Make room.', command: 'df -h /var/lib/reeved', commandAt: 'coordinator' },
    ].map((check) => ({ check })),
  'PolicyService.CheckPolicy': () => [refused, same, unreachable].map((host) => ({ host })),
  'OperationService.ListOperation': () => ({ operations: [{ id: id(99), summary: 'user add ada on all', operator: 'ada', outcome: 'OUTCOME_PENDING', startedAt: ago(60), endedAt: ago(58) }] }),
  'OperationService.GetOperation': () => ({
    operation: { id: id(99), summary: 'user add ada on all', operator: 'ada', outcome: 'OUTCOME_FAILED', startedAt: ago(60), endedAt: ago(58) },
    hosts: [created, unreachable, refused],
  }),
  'OperatorService.AddOperator': () => ({ operator: { name: 'ada', role: 'operator' } }),
  'OperatorService.SetOperator': () => ({ operator: { name: 'ada', role: 'viewer', disabled: true } }),
  'OperatorService.ListOperator': () => ({ operators: [{ name: 'ada', role: 'operator', certificateTtl: { seconds: 604_800 }, logins: [{ since: ago(86_400), notAfter: ago(-500_000) }] }, { name: 'bob', role: 'viewer', disabled: true, labels: ['site=ams', 'site=fra'] }] }),
  'OperatorService.InviteOperator': () => ({ token: 'reevelogin1_abc', command: "printf '%s\\n' 'reevelogin1_abc' | reeve login", expiresAt: ago(-1800) }),
  'OperatorService.RevokeOperator': () => ({ certificates: 2 }),
  'OperatorService.RemoveOperator': () => ({ certificates: 1 }),
  'WebService.SetWebLogin': () => ({ password: 'x8Kq-made-for-the-test', totpUri: 'otpauth://totp/Reeve:ada?secret=GEZDGNBV' }),
  'WebService.ListWebLogin': () => ({ logins: [{ name: 'ada', role: 'admin', person: true, totp: true, setAt: ago(86_400), lastAt: ago(60), sessions: 2 }, { name: 'bob', setAt: ago(90_000) }] }),
  'WebService.RemoveWebLogin': () => ({}),
  'OperatorService.WhoAmI': () => ({ name: 'ada', role: 'operator' }),
  'AuditService.ListAudit': () => ({ records: [{ seq: 17, time: ago(60), principal: 'uid:ada', action: 'UserService/AddUser', arguments: 'name=ada selector=all', phase: 'ok', operationId: id(99), hash: Buffer.alloc(32, 9) }] }),
  'AuditService.VerifyAudit': () => ({ intact: true, records: 17 }),
};
