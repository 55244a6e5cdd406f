import type { ChangeEventInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostResultInput } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { ManagedCertInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ManagedCert.js';
import type { CertStateInput } from '../../../shared/gen/proto/reeve/type/v1/CertState.js';
import { toTimestamp } from '../../../shared/rpc/time.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

const dayS = 86_400;
const nowS = Math.floor(nowMs / 1000);
const state = (name: string, days: number, more: object = {}): CertStateInput => ({
  name, kind: 'supplied', names: [`${name}.example.org`, `www.${name}.example.org`, 'a.example', 'b.example'], notBefore: nowS - 30 * dayS, notAfter: nowS + days * dayS,
  fingerprint: Buffer.alloc(32, 0xab), spki: Buffer.alloc(32, 0xcd), issuer: 'Example Trust, Example CA\u001b[2J', state: 'ok', ...more,
});
const added = { addedAt: toTimestamp(nowMs - 86_400_000), addedBy: 'ada' };

const rows: readonly ManagedCertInput[] = [
  { hostName: 'web1', cert: { name: 'old' }, state: state('old', -2), ...added },
  { hostName: 'web1', cert: { name: 'shop', group: 'ssl-cert', units: ['postfix.service'] }, state: state('shop', 2, { state: 'edited' }), sites: ['shop.example.org', 'www.example.org'], ...added },
  { hostName: 'web2', cert: { name: 'mail', names: ['mail.example.org'], days: 365 }, state: state('mail', 9, { kind: 'self-signed', names: ['mail.example.org'] }), ...added },
  { hostName: 'web2', cert: { name: 'next', names: ['next.example.org'], days: 90 }, pending: true, pendingReason: 'connection refused', ...added },
];

/** A host that gets a certificate. */
const issued: HostResultInput = {
  hostId: '01930000-0000-7000-8000-000000000001', hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'cert', durationMs: 8,
  changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'cert', subject: 'shop', fields: [{ field: 'source', to: 'supplied' }, { field: 'names', to: 'shop.example.org' }, { field: 'ends', to: '2026-05-30' }] }],
};

/** What the canned coordinator answers about certificates. */
export function certAnswers(changeEvents: (results: readonly HostResultInput[]) => (request: { options: { mode: string; operationId: string } }) => ChangeEventInput[]): Handlers {
  return {
    'CertService.AddCert': changeEvents([issued]),
    'CertService.SetCert': changeEvents([{ ...issued, notes: ['certificate "old" was altered by hand and stays so; to write over it: reeve cert set web1 old --overwrite'], changes: [{ kind: 'CHANGE_KIND_UPDATE', noun: 'cert', subject: 'shop', fields: [{ field: 'group', from: '', to: 'ssl-cert' }] }] }]),
    'CertService.RemoveCert': changeEvents([{ ...issued, changes: [{ kind: 'CHANGE_KIND_REMOVE', noun: 'cert', subject: 'shop', fields: [] }] }]),
    'CertService.ListCerts': () => ({ rows }),
    'CertService.ShowCert': () => ({ cert: rows[1], unasked: 'Host "web1" cannot be reached' }),
  };
}
