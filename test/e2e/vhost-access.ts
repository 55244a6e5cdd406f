import { expect, test } from 'vitest';
import type { WebFleet } from '../support/web-fleet.js';
import { behind } from './vhost-target.js';

const app = 'http://127.0.0.1:8081';

/** Who gets in, how much may be sent, and what is said when nothing answers. */
export function testAccess(fleetOf: () => WebFleet): void {
  test('a password is asked for, and a path may be open to all', async () => {
    const { reeve, change, plain, hub, web } = fleetOf();
    const added = await reeve(['vhost', 'add', 'web1', 'auth.example.org', '--no-tls', '--to', app, '--user', 'ada', '--password-stdin', '--yes', '--json'], { input: 'correct horse\n' });
    expect(added.code, added.stdout + added.stderr).toBe(0);
    await change(['vhost', 'route', 'add', 'web1', 'auth.example.org', '/public', '--to', app, '--open']);
    const as = (user: string, word: string): Record<string, string> => ({ Authorization: `Basic ${Buffer.from(`${user}:${word}`).toString('base64')}` });
    expect((await plain('auth.example.org', '/')).status).toBe(401);
    expect((await plain('auth.example.org', '/', { headers: as('ada', 'wrong') })).status).toBe(401);
    expect(behind(await plain('auth.example.org', '/', { headers: as('ada', 'correct horse') })).url).toBe('/');
    expect(behind(await plain('auth.example.org', '/public/x')).url).toBe('/public/x');
    // The word itself is nowhere.
    for (const host of [hub, web]) expect((await host.exec(['grep', '-rlF', 'correct horse', '/var/lib', '/etc', '/var/log'])).stdout).toBe('');
    expect(await web.run(['sh', '-c', 'stat -c "%a %U %G" /etc/nginx/reeve/current/auth.example.org.auth'])).toBe('640 root www-data\n');
  });

  test('only networks that are named get in', async () => {
    const { change, plain, lab } = fleetOf();
    await change(['vhost', 'add', 'web1', 'net.example.org', '--no-tls', '--to', app, '--allow', '203.0.113.0/24']);
    await change(['vhost', 'route', 'add', 'web1', 'net.example.org', '/lab', '--to', app, '--allow', lab.address]);
    expect((await plain('net.example.org', '/')).status).toBe(403);
    expect((await plain('net.example.org', '/lab')).status).toBe(200);
  });

  test('bodies have a limit, headers are added to every answer, and slow programs are not waited for for ever', async () => {
    const { change, plain } = fleetOf();
    await change(['vhost', 'add', 'web1', 'limit.example.org', '--no-tls', '--to', app, '--body-limit', '1k', '--header', 'X-Frame-Options: DENY', '--header', 'X-Odd: "a" $b; {c}', '--timeout', '1s']);
    await change(['vhost', 'route', 'add', 'web1', 'limit.example.org', '/upload', '--to', app, '--body-limit', '2m']);
    const body = 'x'.repeat(5000);
    expect((await plain('limit.example.org', '/', { method: 'POST', body })).status).toBe(413);
    expect(behind(await plain('limit.example.org', '/upload', { method: 'POST', body })).received).toBe(5000);
    for (const path of ['/', '/upload']) expect((await plain('limit.example.org', path)).headers, path).toMatchObject({ 'x-backend': 'app' });
    expect((await plain('limit.example.org', '/')).headers).toMatchObject({ 'x-frame-options': 'DENY', 'x-odd': '"a" $b; {c}' });
    expect((await plain('limit.example.org', '/slow?2500')).status).toBe(504);
  });

  test('certificates of clients: none, a good one, one of strangers, a revoked one; and nobody can claim to have one', async () => {
    const { web, hub, change, secure } = fleetOf();
    await web.write('/root/ca.sh', [
      'set -e; mkdir -p /root/ca && cd /root/ca && touch index.txt && echo 1000 >serial && echo 01 >crlnumber',
      'printf "[ca]\\ndefault_ca=d\\n[d]\\ndir=/root/ca\\ndatabase=/root/ca/index.txt\\nserial=/root/ca/serial\\ncrlnumber=/root/ca/crlnumber\\nnew_certs_dir=/root/ca\\ncertificate=/root/ca/ca.pem\\nprivate_key=/root/ca/ca.key\\ndefault_md=sha256\\ndefault_days=30\\ndefault_crl_days=30\\npolicy=p\\n[p]\\ncommonName=supplied\\n" >c.cnf',
      'new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"',
      '$new -x509 -days 30 -subj /CN=ca -keyout ca.key -out ca.pem; $new -x509 -days 30 -subj /CN=stranger -keyout stranger.key -out stranger.pem',
      'for n in good revoked; do $new -subj /CN=$n -keyout $n.key -out $n.csr; openssl ca -batch -config c.cnf -in $n.csr -out $n.pem -notext; done',
      'openssl ca -config c.cnf -revoke revoked.pem; openssl ca -config c.cnf -gencrl -out crl.pem',
    ].join('\n'));
    await web.run(['sh', '-c', 'sh /root/ca.sh 2>/dev/null']);
    const file = (name: string): Promise<string> => web.read(`/root/ca/${name}`);
    await hub.write('/root/ca.pem', await file('ca.pem'));
    await hub.write('/root/crl.pem', await file('crl.pem'));
    const client = async (name: string): Promise<{ cert: string; key: string }> => ({ cert: await file(`${name}.pem`), key: await file(`${name}.key`) });
    for (const [site, kind] of [['must.example.org', 'mandatory'], ['may.example.org', 'optional']] as const) {
      await change(['vhost', 'add', 'web1', site, '--to', app, '--client-ca', '/root/ca.pem', '--client-crl', '/root/crl.pem', '--client-cert', kind]);
    }
    const status = async (site: string, name?: string): Promise<number> => (await secure(site, '/', { tls: { name: site, ...(name === undefined ? {} : await client(name)) } })).status;
    expect(await status('must.example.org', 'good')).toBe(200);
    for (const name of [undefined, 'stranger', 'revoked']) expect([400, 403], name ?? 'none').toContain(await status('must.example.org', name));
    expect(await status('may.example.org')).toBe(200);
    const serial = (await web.run(['openssl', 'x509', '-noout', '-serial', '-in', '/root/ca/good.pem'])).trim().replace('serial=', '');
    const told = behind(await secure('may.example.org', '/', { tls: { name: 'may.example.org', ...(await client('good')) }, headers: { 'X-Ssl-Client-Serial': '666' } })).headers;
    expect([told['x-ssl-client-verify'], told['x-ssl-client-serial']?.toUpperCase()]).toEqual(['SUCCESS', serial.toUpperCase()]);
    const none = behind(await secure('may.example.org', '/', { headers: { 'X-Ssl-Client-Verify': 'SUCCESS', 'X-Ssl-Client-Serial': '666' } })).headers;
    expect([none['x-ssl-client-verify'], none['x-ssl-client-serial'] ?? '']).toEqual(['NONE', '']);
  });

  test('maintenance is one command, and says when to come back; nothing behind has a page with the title of the site', async () => {
    const { change, plain, web } = fleetOf();
    await change(['vhost', 'add', 'web1', 'shop.example.org', '--no-tls', '--to', app, '--title', 'The <Shop> & "Co" $1']);
    await change(['vhost', 'maintenance', 'on', 'web1', 'shop.example.org', '--retry-after', '5m']);
    const closed = await plain('shop.example.org', '/any/path');
    expect([closed.status, closed.headers['retry-after']]).toEqual([503, '300']);
    expect(closed.body).toContain('The &#60;Shop&#62; &#38; &#34;Co&#34; &#36;1');
    expect(closed.headers['content-type']).toMatch(/^text\/html/);
    await change(['vhost', 'maintenance', 'off', 'web1', 'shop.example.org']);
    expect((await plain('shop.example.org', '/')).status).toBe(200);
    await change(['vhost', 'add', 'web1', 'down.example.org', '--no-tls', '--to', 'http://127.0.0.1:9', '--title', 'The Wiki']);
    const down = await plain('down.example.org', '/');
    expect([down.status, /The Wiki/.test(down.body)]).toEqual([502, true]);
    expect((await plain('app.example.org', '/')).status, 'others are served').toBe(301);
    expect(await web.run(['sh', '-c', 'ls /etc/nginx/reeve | grep -c ^set-'])).toBe('1\n');
  });

  test('names that no site has get the default server, where there is one; a wildcard takes the rest of its domain', async () => {
    const { change, plain, secure } = fleetOf();
    await change(['vhost', 'add', 'web1', 'default.example.org', '--listen', '8088', '--no-tls', '--default', '--status', '421', '--text', 'who?']);
    expect(await plain('nobody.example.net', '/', { port: 8088 })).toMatchObject({ status: 421, body: 'who?' });
    await change(['vhost', 'add', 'web1', '*.wild.example.org', '--status', '200', '--text', 'wild']);
    await change(['vhost', 'add', 'web1', 'tame.wild.example.org', '--status', '200', '--text', 'tame']);
    expect((await secure('a.wild.example.org')).body).toBe('wild');
    expect((await secure('tame.wild.example.org')).body).toBe('tame');
  });
}
