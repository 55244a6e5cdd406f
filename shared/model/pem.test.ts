import { describe, expect, it } from 'vitest';
import { cleanPem, parsePem } from './pem.js';

const block = (base64: string, label = 'CERTIFICATE'): string => `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
const small = 'MAYCAQECAQI=';
/** A sequence of 200 bytes: the length in two bytes, five lines. */
const large = Buffer.from([0x30, 0x81, 197, ...Array.from({ length: 197 }, () => 7)]).toString('base64');
const lines = (large.match(/.{1,64}/g) ?? []).join('\n');

describe('PEM', () => {
  it.each([block(small), block(small) + block(lines), block(lines)])('of whole blocks is taken as it is', (text) => {
    expect(parsePem('ca', text, 'CERTIFICATE', 65_536)).toBe(text);
  });

  it.each([
    ['nothing', ''], ['text before', `# ours\n${block(small)}`], ['text behind', `${block(small)}x\n`], ['no line end', block(small).slice(0, -1)], ['an empty line', `${block(small)}\n`], ['CRLF', block(small).replaceAll('\n', '\r\n')],
    ['a key', block(small, 'PRIVATE KEY')], ['a key behind it', block(small) + block(small, 'EC PRIVATE KEY')], ['another label', block(small, 'X509 CRL')], ['an end of another', '-----BEGIN CERTIFICATE-----\nMAYCAQECAQI=\n-----END X509 CRL-----\n'], ['no end', `-----BEGIN CERTIFICATE-----\n${small}\n`],
    ['no base64', block('MAYCAQECAQ!=')], ['bits that mean nothing', block('MAYCAQECAQJ=')], ['what is no sequence', block('BAYCAQECAQI=')], ['a wrong length', block('MAcCAQECAQI=')], ['long lines', block(large)], ['short lines', block(`${small.slice(0, 4)}\n${small.slice(4)}`)], ['nothing inside', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['headers', block(`Proc-Type: 4,ENCRYPTED\n\n${small}`)], ['a zero byte', block(small).replace('MAY', 'M\0Y')],
  ])('with %s is refused', (_what, text) => {
    expect(() => parsePem('ca', text, 'CERTIFICATE', 65_536)).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field: 'ca' }) as object }) as Error);
  });

  it('has an end', () => {
    expect(() => parsePem('ca', block(small).repeat(100), 'CERTIFICATE', 1000)).toThrow('at most 1000 bytes');
  });

  it('of a file is brought into its strict form', () => {
    const file = `Certificate:\r\n    Data: x\r\n${block(large).replaceAll('\n', '\r\n')}\r\n# the other\r\n${block(` ${small} `)}`;
    expect(cleanPem('ca', file, 'CERTIFICATE', 65_536)).toBe(block(lines) + block(small));
    expect(() => cleanPem('ca', file + block(small, 'PRIVATE KEY'), 'CERTIFICATE', 65_536)).toThrow('PRIVATE KEY');
    expect(() => cleanPem('ca', 'nothing', 'CERTIFICATE', 65_536)).toThrow();
  });
});
