import { fieldInvalid } from '../../shared/model/field.js';
import { parseCertName } from '../../shared/model/cert.js';
import { parseHostName } from '../../shared/model/host.js';
import { answer } from './answer.js';
import { readCertEdit, readNewCert } from './cert-input.js';
import { renderCert, renderManagedCerts } from './cert-text.js';
import { requireDecided, runChange } from './change.js';
import { changeExclusive, changeOptions, defineCommand, hostPositional, on, type Noun } from './command.js';
import { selectorText } from './selector.js';
import { certService } from './service.js';

const named = { text: 'Name of the certificate', names: 'certs' } as const;

const source = {
  cert: { kind: 'value', value: 'FILE', text: 'The certificate and those that lead to its authority, in PEM, its own first' },
  key: { kind: 'value', value: 'FILE', text: 'Its private key in PEM without a passphrase: RSA of 2048 bits or more, EC or Ed25519; - for standard input' },
  'self-signed': { kind: 'flag', text: 'Made on the host, which nobody trusts until told to, and made anew in time' },
  name: { kind: 'list', value: 'DOMAIN', text: 'A name in a self-signed certificate; may be repeated' },
  days: { kind: 'value', value: 'DAYS', text: 'How long a self-signed certificate is good for (default: 365)' },
  group: { kind: 'value', value: 'GROUP', text: 'A group of the host that may read the key, as far as its policy allows (default: root only)' },
  reload: { kind: 'list', value: 'UNIT', text: 'A service that is reloaded when it changes, e.g. postfix.service, as far as the policy allows; may be repeated' },
} as const;

const sourceExclusive = [['cert', 'self-signed'], ['key', 'self-signed'], ...changeExclusive] as const;

const add = defineCommand({
  path: 'cert add',
  summary: 'Add a certificate to a host, supplied or self-signed',
  text:
    'It stands on the host as /etc/ssl/reeve/CERTIFICATE/cert.pem and key.pem, and sites use it with "reeve vhost add --cert CERTIFICATE". The private key is passed on to the host, which has to be reachable, and stored ' +
    'nowhere else. Sites that use it are reloaded anyway; other services are named with --reload.',
  positionals: { host: hostPositional, certificate: { text: 'Name of the certificate: lower-case letters, digits, ".", "_" and "-"' } },
  options: { ...source, ...changeOptions },
  exclusive: sourceExclusive,
  examples: [
    { line: 'reeve cert add web1 shop --cert fullchain.pem --key privkey.pem', text: 'A certificate of an authority' },
    { line: 'reeve cert add web1 shop --cert fullchain.pem --key -', text: 'The key from standard input; then --yes says yes' },
    { line: 'reeve cert add mail1 mail --self-signed --name mail.example.org --group ssl-cert --reload postfix.service', text: 'One that the host makes, for its mail server' },
  ],
  run: async (context, args) => {
    requireDecided(context, args);
    const request = await readNewCert(context, args);
    return runChange(context, args, (api, options) => api.stream(certService, 'AddCert', { options, ...request }));
  },
});

const set = defineCommand({
  path: 'cert set',
  summary: 'Alter a certificate of a host: another one, its key, who may read it',
  text: 'What is not named stays. Another certificate needs its key, unless it has the public key of the one before. A certificate that somebody altered by hand on the host stays as it is without --overwrite.',
  positionals: { host: hostPositional, certificate: named },
  options: {
    ...source,
    'no-group': { kind: 'flag', text: 'Only root may read the key' },
    'no-reload': { kind: 'flag', text: 'No service but the sites that use it is reloaded' },
    overwrite: { kind: 'flag', text: 'Also where somebody altered it by hand on the host' },
    ...changeOptions,
  },
  exclusive: [...sourceExclusive, ['group', 'no-group'], ['reload', 'no-reload']],
  examples: [
    { line: 'reeve cert set web1 shop --cert fullchain.pem --key privkey.pem', text: 'The next one of the authority' },
    { line: 'reeve cert set mail1 mail --days 90', text: 'A shorter life for a self-signed one' },
    { line: 'reeve cert set web1 shop --overwrite', text: 'Write over what somebody altered' },
  ],
  run: async (context, args) => {
    requireDecided(context, args);
    const request = await readCertEdit(context, args);
    return runChange(context, args, (api, options) => api.stream(certService, 'SetCert', { options, ...request }));
  },
});

const remove = defineCommand({
  path: 'cert remove',
  summary: 'Remove a certificate that no site uses, and its key',
  text: 'The host keeps the key for a day, for "reeve-agent undo".',
  positionals: { host: hostPositional, certificate: named },
  options: changeOptions,
  exclusive: changeExclusive,
  examples: [{ line: 'reeve cert remove web1 shop', text: 'The shop is closed' }],
  run: async (context, args) => {
    const request = { host: parseHostName(args.host), name: parseCertName('certificate', args.certificate) };
    return runChange(context, args, (api, options) => api.stream(certService, 'RemoveCert', { options, ...request }));
  },
});

const list = defineCommand({
  path: 'cert list',
  summary: 'List certificates and when they expire, those first that expire first',
  text: 'As their hosts said last; "reeve status" warns 10 days before one expires.',
  positionals: { host: { text: 'Name of a host; or --on', optional: true, names: 'hosts' } },
  options: { on },
  examples: [
    { line: 'reeve cert list', text: 'All certificates of the fleet' },
    { line: 'reeve cert list web1', text: 'Those of web1' },
  ],
  run: async (context, args) => {
    if (args.host !== undefined && args.on !== undefined) throw fieldInvalid('--on', args.on, 'it cannot stand with the name of a host');
    const selector = args.host === undefined ? selectorText(args.on) : parseHostName(args.host);
    const response = await (await context.api()).call(certService, 'ListCerts', { selector });
    const none = 'No certificates. To add one: reeve cert add HOST NAME --cert FILE --key FILE';
    return answer(context, response, () => renderManagedCerts(context.terminal, response.rows, { now: context.clock.now(), none }));
  },
});

const show = defineCommand({
  path: 'cert show',
  summary: 'Show a certificate as it should be and as it is, asked of its host now',
  positionals: { host: hostPositional, certificate: named },
  options: {},
  examples: [{ line: 'reeve cert show web1 shop', text: 'When does it expire, and who uses it?' }],
  run: async (context, args) => {
    const response = await (await context.api()).call(certService, 'ShowCert', { host: parseHostName(args.host), name: parseCertName('certificate', args.certificate) });
    return answer(context, response, () => renderCert(context.terminal, response, context.clock.now()));
  },
});

/** `reeve cert`. */
export const certNoun: Noun = { name: 'cert', summary: 'Certificates of hosts for their services', commands: [add, set, remove, list, show] };
