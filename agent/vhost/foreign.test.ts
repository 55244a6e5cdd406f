import { describe, expect, it } from 'vitest';
import { testSite } from '../../test/support/test-site.js';
import { claimOn, namesOf, portsOf } from './foreign.js';

describe('server blocks of others', () => {
  it.each([
    [[], [80]], [['80'], [80]], [['443 ssl http2', '[::]:443 ssl'], [443]], [['*:8080 default_server', '192.0.2.7:81'], [8080, 81]], [['127.0.0.1', '[::1]', 'localhost'], [80]], [['unix:/run/x.sock', 'localhost:8000'], [8000]], [['70000'], []],
  ])('listen on the ports of their words: %j', (listens, ports) => {
    expect(portsOf({ listens })).toEqual(ports);
  });

  it('have names in any case, with a dot before them for two, and expressions that are none', () => {
    expect(namesOf({ names: ['A.example.org', '.b.example.org', '~^www\\d+', '_', '*.c.example.org'] })).toEqual(['a.example.org', 'b.example.org', '*.b.example.org', '_', '*.c.example.org']);
  });

  it('claim a site by one of its names where it listens, unless their file is taken over', () => {
    const site = testSite('a.example.org', { aliases: ['*.b.example.org'], listens: [{ address: undefined, port: 443, tls: true }] });
    const block = (name: string, listen: string, file = '/etc/nginx/sites-enabled/own') => ({ file, line: 3, names: [name], listens: [listen] });
    expect(claimOn(site, [block('a.example.org', '80'), block('www.a.example.org', '443')], undefined)).toBeUndefined();
    expect(claimOn(site, [block('a.example.org', '80'), block('.b.example.org', '443 ssl')], undefined)).toMatchObject({ name: '*.b.example.org', port: 443, block: { line: 3 } });
    expect(claimOn(site, [block('a.example.org', '443')], '/etc/nginx/sites-enabled/own')).toBeUndefined();
  });
});
