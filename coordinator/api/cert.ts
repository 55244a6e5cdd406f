import { reeveError } from '../../shared/errors/error.js';
import type { AddCertRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddCertRequest.js';
import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/CertService.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { RemoveCertRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RemoveCertRequest.js';
import type { SetCertRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetCertRequest.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { mostCerts, parseCert, parseCertDays, parseCertGroup, parseCertName, parseCertNames, parseCertUnits, type Cert } from '../../shared/model/cert.js';
import { parsePem } from '../../shared/model/pem.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import { editCert, usualCertDays, type CertEdit } from '../desired/cert.js';
import { addCert, certExists, removeCert, setCert } from '../inventory/cert.js';
import { getOperation } from '../inventory/operation.js';
import { vhostsWithCert } from '../inventory/vhost.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { findCert, requireUsable, runCert } from './cert-change.js';
import { requireKey } from './cert-key.js';
import { listCerts, showCert } from './cert-show.js';
import { changes, reads } from './row.js';
import { changeableHost } from './select.js';

type Context = CallContext<OperatorCaller>;

/** A chain and a key. */
const sized = { ...changes, maxBytes: 131_072 };

/** Certificates of hosts, for operators. */
export function certService(office: () => Office): Service<OperatorCaller> {
  return defineService<CertServiceDefinition, OperatorCaller>('reeve.coordinator.v1.CertService', {
    AddCert: { ...sized, handle: (request, context) => orForgotten(request.keyPem, () => add(office(), context, request)) },
    SetCert: { ...sized, handle: (request, context) => orForgotten(request.keyPem, () => set(office(), context, request)) },
    RemoveCert: { ...changes, handle: (request, context) => remove(office(), context, request) },
    ListCerts: { ...reads, handle: (request, { principal }) => Promise.resolve({ rows: listCerts(office(), principal, request.selector) }) },
    ShowCert: { ...reads, handle: (request, { principal }) => showCert(office(), principal, request) },
  });
}

/** A key of a command that is refused is overwritten with zeroes. */
function orForgotten<T>(keyPem: Buffer, work: () => T): T {
  try {
    return work();
  } catch (error) {
    keyPem.fill(0);
    throw error;
  }
}

function add(office: Office, context: Context, { options, host: hostName, cert: wire, keyPem }: AddCertRequest): AsyncGenerator<ChangeEventInput> {
  const { db, clock } = office;
  const { principal } = context;
  const host = changeableHost(db, principal, hostName);
  if (wire === null) throw fieldMissing('cert', 'the certificate');
  const cert: Cert = { ...parseCert(wire.chainPem === '' && wire.days === 0 ? { ...wire, days: usualCertDays } : wire), overwrite: false };
  if (certExists(db, host.id, cert.name) && getOperation(db, options?.operationId ?? '') === undefined) throw reeveError('CERT_EXISTS', { value: cert.name, host: host.name });
  const facts = requireUsable(cert, clock.now());
  const key = requireKey({ host, cert, keyPem, facts, needed: true });
  return runCert(office, context, {
    host, key, options,
    verb: 'add',
    name: cert.name,
    detail: cert,
    edit: (database, generation) => {
      addCert(database, cert, { hostId: host.id, by: principal.account, now: clock.now(), generation });
      return true;
    },
  });
}

function set(office: Office, context: Context, request: SetCertRequest): AsyncGenerator<ChangeEventInput> {
  const { db, clock } = office;
  const host = changeableHost(db, context.principal, request.host);
  const edit = parseEdit(request);
  const before = findCert(db, host, request.name).cert;
  const after = editCert(before, edit);
  if (edit.days !== undefined && after.source.kind === 'supplied') throw fieldInvalid('days', String(edit.days), 'only of a self-signed certificate');
  const facts = edit.chainPem === undefined && request.keyPem.length === 0 ? undefined : requireUsable(after, clock.now());
  const key = requireKey({ host, cert: after, keyPem: request.keyPem, facts, needed: edit.chainPem !== undefined, before });
  return runCert(office, context, {
    host, key, options: request.options,
    verb: 'set',
    name: before.name,
    detail: edit,
    edit: (database, generation) => setCert(database, host.id, editCert(findCert(database, host, before.name).cert, edit), generation),
  });
}

/** What is to be altered. Errors: FIELD_*. */
function parseEdit(request: SetCertRequest): CertEdit {
  const { chainPem, names, days, group, units, overwrite } = request;
  if (chainPem !== '' && names.length > 0) throw fieldInvalid('names', names.join(' '), 'nothing beside a certificate that is supplied');
  return {
    chainPem: chainPem === '' ? undefined : parsePem('chain', chainPem, 'CERTIFICATE', mostCerts.chainBytes),
    names: names.length === 0 ? undefined : parseCertNames('names', names),
    days: days === undefined ? undefined : parseCertDays('days', days),
    group: group === undefined ? undefined : (parseCertGroup('group', group) ?? ''),
    units: units === null ? undefined : parseCertUnits('units', units.units),
    overwrite,
  };
}

function remove(office: Office, context: Context, request: RemoveCertRequest): AsyncGenerator<ChangeEventInput> {
  const host = changeableHost(office.db, context.principal, request.host);
  const name = parseCertName('name', request.name);
  return runCert(office, context, {
    host, key: undefined, options: request.options,
    verb: 'remove',
    name,
    detail: {},
    edit: (db) => {
      findCert(db, host, name);
      const sites = vhostsWithCert(db, host.id, name);
      if (sites.length > 0) throw reeveError('CERT_IN_USE', { value: name, host: host.name, owner: sites.slice(0, 10).map((site) => `site "${site}"`).join(', ') });
      removeCert(db, host.id, name);
      return true;
    },
  });
}
