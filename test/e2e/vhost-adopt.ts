import { expect, test } from 'vitest';
import type { CommandAnswer } from '../support/chaos.js';
import { until } from '../support/until.js';
import { allowMore, type WebFleet } from '../support/web-fleet.js';
import { behind } from './vhost-target.js';

const file = '/etc/nginx/sites-enabled/legacy';
/** Where it is kept: beside it, under a name that nothing includes. */
const kept = '/etc/nginx/sites-enabled/.legacy.reeve-taken';
/** As an operator has written it by hand over the years; line 6 is more than the model can say. */
const legacy = (inside: string): string => `server {
  listen 80;
  server_name legacy.example.org www.legacy.example.org;
  client_max_body_size 5m;
  access_log /var/log/nginx/legacy.log;
  rewrite ^/ancient/(.*)$ /$1 last;
${inside}}
`;
const toProgram = legacy('  location / {\n    proxy_pass http://127.0.0.1:8081;\n    proxy_set_header Host $host;\n  }\n');
const toFolder = legacy('  root /srv/files;\n  location / {\n    try_files $uri $uri/ =404;\n  }\n  location /old {\n    return 301 https://new.example.org/;\n  }\n');

/** Taking over a site that somebody has written. */
export function testAdopt(fleetOf: () => WebFleet): void {
  test('a site that somebody wrote stays as it is, when the new one would answer otherwise', async () => {
    const { web, plain, reeve, json } = fleetOf();
    await web.write(file, toProgram, 0o644);
    await web.run(['systemctl', 'reload', 'nginx']);
    await until(async () => behind(await plain('legacy.example.org')).name === 'app', { timeoutMs: 10_000, everyMs: 100, what: 'the old site' });
    await allowMore(web, ['vhost.adopt']);
    // The program behind tells of headers, and only Reeve sets X-Forwarded-Host.
    const refused = await reeve(['vhost', 'adopt', 'web1', file, '--without', '6', '--yes']);
    expect([refused.code, refused.stdout], refused.stderr).toEqual([1, expect.stringMatching(/http:\/\/legacy\.example\.org\/: body \d+ bytes before, \d+ bytes after/) as string]);
    expect(await web.read(file)).toBe(toProgram);
    expect(behind(await plain('www.legacy.example.org')).headers['x-forwarded-host']).toBeUndefined();
    // Who looks at what differs, and wants it, says so.
    const accepted = await json<CommandAnswer>(['vhost', 'adopt', 'web1', file, '--without', '6', '--accept-differences', '--yes']);
    expect([accepted.outcome, accepted.hosts[0]?.notes.join()]).toEqual(['ok', expect.stringMatching(/body \d+ bytes before/) as string]);
    expect(behind(await plain('www.legacy.example.org')).headers['x-forwarded-host']).toBe('www.legacy.example.org');
    await json(['vhost', 'remove', 'web1', 'legacy.example.org', '--yes']);
    expect(await web.read(kept)).toBe(toProgram);
    await web.run(['rm', kept]);
  });

  test('a site that somebody wrote is told line by line, and taken over when its odd lines are given up', async () => {
    const { web, plain, reeve, configuration, json } = fleetOf();
    await web.write(file, toFolder, 0o644);
    await web.run(['systemctl', 'reload', 'nginx']);
    await until(async () => (await plain('legacy.example.org')).body === 'home', { timeoutMs: 10_000, everyMs: 100, what: 'the old site' });

    const before = await configuration();
    const told = await reeve(['vhost', 'adopt', 'web1', file, '--yes']);
    expect([told.code, told.stderr], told.stdout).toEqual([1, expect.stringMatching(/line 6: rewrite/) as string]);
    // The very words that are told to be added.
    const lines = /--without ([0-9,]+)/.exec(told.stderr)?.[1] ?? '';
    expect(lines, told.stderr).toBe('6');
    expect(await configuration(), 'nothing is changed').toBe(before);

    const adopting = ['vhost', 'adopt', 'web1', file, '--without', lines];
    const plan = await reeve([...adopting, '--plan']);
    expect([plan.code, plan.stdout], plan.stderr).toEqual([0, expect.stringMatching(/server_name "legacy\.example\.org"/) as string]);
    expect(await configuration(), 'a plan changes nothing').toBe(before);
    expect(await json<CommandAnswer>([...adopting, '--yes'])).toMatchObject({ outcome: 'ok' });

    expect((await web.exec(['test', '-e', file])).code, 'the old file is out of the configuration').toBe(1);
    expect(await web.read(kept)).toBe(toFolder);
    for (const name of ['legacy.example.org', 'www.legacy.example.org']) {
      expect((await plain(name, '/sub/a.txt')).body).toBe('a');
      expect(await plain(name, '/old/')).toMatchObject({ status: 301, headers: { location: 'https://new.example.org/' } });
    }
    const { hosts } = await json<CommandAnswer>(['apply', '--on', 'web1', '--noun', 'vhost', '--yes']);
    expect(hosts.flatMap((row) => row.changes), 'nothing is left to do').toEqual([]);
  });

  test('a file that is not about sites, or not there, is not taken over', async () => {
    const { refused } = fleetOf();
    for (const [path, code] of [['/etc/nginx/nginx.conf', 'VHOST_ADOPT'], ['/etc/nginx/sites-enabled/nobody', 'VHOST_FOREIGN_FILE'], ['/etc/passwd', 'VHOST_FOREIGN_FILE']]) {
      const [error] = await refused(['vhost', 'adopt', 'web1', path ?? ''], 1);
      expect([error?.code, error?.message], path).toEqual([code, expect.stringContaining(`"${path ?? ''}"`) as string]);
    }
  });
}
