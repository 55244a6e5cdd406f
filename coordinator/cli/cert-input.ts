import type { AddCertRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/AddCertRequest.js';
import type { SetCertRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/SetCertRequest.js';
import { mostCerts, parseCertGroup, parseCertName, parseCertNames, parseCertUnits } from '../../shared/model/cert.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseHostName } from '../../shared/model/host.js';
import type { Context } from './context.js';
import { parseNumber } from './number.js';
import { readPem, readPrivateKey } from './pem-file.js';

/** What says where a certificate comes from, and who may read its key. */
interface SourceArguments {
  readonly host: string;
  readonly certificate: string;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly 'self-signed': boolean;
  readonly name: readonly string[];
  readonly days: string | undefined;
  readonly group: string | undefined;
  readonly reload: readonly string[];
}

/** What else can be altered. */
interface EditArguments extends SourceArguments {
  readonly 'no-group': boolean;
  readonly 'no-reload': boolean;
  readonly overwrite: boolean;
}

/** A new certificate. Errors: FIELD_*. */
export async function readNewCert(context: Context, args: SourceArguments): Promise<Omit<AddCertRequestInput, 'options'>> {
  const { cert, key, name: names } = args;
  const own = args['self-signed'];
  if (!own && cert === undefined) throw fieldMissing('--cert', 'the certificate and those that lead to its authority, and --key with its private key; or --self-signed with --name');
  if (!own && key === undefined) throw fieldMissing('--key', 'the private key of the certificate: a file, or - for standard input');
  requireOwn(args, own);
  if (own && names.length === 0) throw fieldMissing('--name', 'the names in a self-signed certificate');
  return {
    host: parseHostName(args.host),
    cert: {
      name: parseCertName('certificate', args.certificate),
      chainPem: cert === undefined ? '' : readChain(cert),
      names: own ? [...parseCertNames('--name', names)] : [],
      days: parseDays(args.days) ?? 0,
      group: parseCertGroup('--group', args.group ?? '') ?? '',
      units: [...parseCertUnits('--reload', args.reload)],
    },
    ...(key === undefined ? {} : { keyPem: await readKey(context, key) }),
  };
}

/** What becomes of a certificate. Errors: FIELD_*. */
export async function readCertEdit(context: Context, args: EditArguments): Promise<Omit<SetCertRequestInput, 'options'>> {
  const { cert, key, name: names, group, reload } = args;
  const own = args['self-signed'];
  if (own && names.length === 0) throw fieldMissing('--name', 'the names in a self-signed certificate');
  if (cert !== undefined) requireOwn(args, false);
  const days = parseDays(args.days);
  const units = args['no-reload'] ? [] : reload.length > 0 ? parseCertUnits('--reload', reload) : undefined;
  const edit = {
    ...(cert === undefined ? {} : { chainPem: readChain(cert) }),
    ...(names.length === 0 ? {} : { names: [...parseCertNames('--name', names)] }),
    ...(days === undefined ? {} : { days }),
    ...(args['no-group'] ? { group: '' } : group === undefined ? {} : { group: parseCertGroup('--group', group) ?? '' }),
    ...(units === undefined ? {} : { units: { units: [...units] } }),
    ...(args.overwrite ? { overwrite: true } : {}),
    ...(key === undefined ? {} : { keyPem: await readKey(context, key) }),
  };
  if (Object.keys(edit).length === 0) throw fieldMissing('what is to be altered', 'an option, e.g. --cert and --key; see: reeve cert set --help');
  return { host: parseHostName(args.host), name: parseCertName('certificate', args.certificate), ...edit };
}

/** Options of a self-signed certificate stand with no other. */
function requireOwn({ name: names, days }: Pick<SourceArguments, 'name' | 'days'>, own: boolean): void {
  if (own) return;
  if (names.length > 0) throw fieldInvalid('--name', names.join(' '), 'it goes with --self-signed');
  if (days !== undefined) throw fieldInvalid('--days', days, 'it goes with --self-signed');
}

function parseDays(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseNumber('--days', text, { min: 1, max: mostCerts.days });
}

function readChain(file: string): string {
  return readPem('--cert', file, 'CERTIFICATE', mostCerts.chainBytes);
}

function readKey(context: Context, file: string): Promise<Buffer> {
  return readPrivateKey(context, '--key', file, mostCerts.keyBytes);
}
