import { describe, expect, it } from 'vitest';
import { ReeveError } from '../../shared/errors/error.js';
import { parseConfig } from '../config.js';
import { noNotify } from './config.js';

/** Problems of a configuration as `code field`. */
function problems(text: string): string[] {
  try {
    parseConfig(text);
    return [];
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return error.items.map((item) => `${item.code} ${String(item.fields['field'])}`);
  }
}

describe('reeved.conf, about alerts', () => {
  it('may say nothing', () => {
    expect(parseConfig('').notify).toEqual(noNotify);
  });

  it('says how mail, webhooks and links are made', () => {
    const text = [
      'smtp mail.example.org:587 starttls # ours', 'smtp-from reeve@example.org', 'smtp-user reeve', 'smtp-password-file /etc/reeve/smtp-password', 'webhook-secret-file /etc/reeve/webhook', 'alert-ca-file /etc/reeve/ca.pem',
      'alert-url https://status.example.org/',
    ].join('\n');
    expect(parseConfig(text).notify).toEqual({
      hookDir: '/etc/reeve/hooks.d', webhookSecretFile: '/etc/reeve/webhook', caFile: '/etc/reeve/ca.pem', alertUrl: 'https://status.example.org/',
      smtp: { host: 'mail.example.org', port: 587, security: 'starttls', from: 'reeve@example.org', login: { user: 'reeve', passwordFile: '/etc/reeve/smtp-password' } },
    });
  });

  it.each([
    ['127.0.0.1:25 plain', '127.0.0.1'], ['localhost:25 plain', 'localhost'], ['[::1]:25 plain', '::1'], ['[2001:db8::1]:465 tls', '2001:db8::1'], ['192.0.2.1:465 tls', '192.0.2.1'],
  ])('takes the mail server %s', (server, host) => {
    expect(parseConfig(`smtp ${server}\nsmtp-from a@example.org\n`).notify.smtp?.host).toBe(host);
  });

  it.each([
    ['smtp mail.example.org:25 plain\nsmtp-from a@example.org', ['FIELD_INVALID smtp in line 1']],
    ['smtp 127.0.0.1.example.org:25 plain\nsmtp-from a@example.org', ['FIELD_INVALID smtp in line 1']],
    ['smtp mail.example.org starttls\nsmtp-from a@example.org', ['FIELD_INVALID smtp in line 1']],
    ['smtp mail.example.org:99999 tls\nsmtp-from a@example.org', ['FIELD_INVALID smtp in line 1']],
    ['smtp mail.example.org:25\nsmtp-from a@example.org', ['FIELD_INVALID smtp in line 1']],
    ['smtp mail.example.org:465 tls', ['FIELD_MISSING smtp-from']],
    ['smtp-from a@example.org', ['FIELD_MISSING smtp']],
    ['smtp mail.example.org:465 tls\nsmtp-from a@example.org\nsmtp-user reeve', ['FIELD_MISSING smtp-password-file']],
    ['webhook-secret-file secret\nalert-url javascript:alert(1)', ['FIELD_INVALID webhook-secret-file in line 1', 'FIELD_INVALID alert-url in line 2']],
  ])('names what is wrong with %j', (text, wanted) => {
    expect(problems(text)).toEqual(wanted);
  });
});
