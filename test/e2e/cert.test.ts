import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { installProgram } from '../support/abuse-program.js';
import { keyForms, scanFiles } from '../support/abuse-secret.js';
import { certFolder, handOver, inPlace, reloads, startCertFleet } from '../support/cert-fleet.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { makeTestAuthority } from '../support/test-cert.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('certificates on a real host', () => {
  const authority = makeTestAuthority();
  let fleet: TestFleet;
  let web1: LabHost;

  beforeAll(async () => {
    fleet = await startCertFleet('cert');
    web1 = fleet.host('web1');
  });
  afterAll(() => fleet.close());

  const change = (...args: readonly string[]) => fleet.reeve(['cert', ...args, '--yes']);
  const modes = (name: string): Promise<string> => web1.run(['stat', '-L', '-c', '%n %a %U:%G', `${certFolder}/${name}`, `${certFolder}/${name}/cert.pem`, `${certFolder}/${name}/key.pem`]);

  test('a supplied one stands there whole, its key for root only, and is nowhere else', async () => {
    const pair = authority.issue(['shop.example.org']);
    const files = await handOver(fleet, { ...pair, cert: `some text\r\n${pair.cert}${authority.intermediate}` });
    const added = await change('add', 'web1', 'shop', ...files);
    expect(added, added.stderr).toMatchObject({ code: 0 });
    expect(await inPlace(web1, 'shop')).toBe('DNS:shop.example.org');
    expect(await web1.read(`${certFolder}/shop/cert.pem`)).toBe(pair.cert + authority.intermediate);
    expect(await modes('shop')).toBe(`${certFolder}/shop 755 root:root\n${certFolder}/shop/cert.pem 644 root:root\n${certFolder}/shop/key.pem 600 root:root\n`);
    expect((await web1.exec(['runuser', '-u', 'reeve-agent', '--', 'cat', `${certFolder}/shop/key.pem`])).code).not.toBe(0);
    await fleet.hub.run(['rm', '/root/privkey.pem']);
    // The last line of such a key is of its public half, which the certificate may have as well.
    const needles = keyForms(pair.key).filter((form) => !pair.cert.includes(form.toString('latin1')));
    expect(needles.length).toBeGreaterThan(5);
    for (const host of [fleet.hub, web1]) {
      const program = await installProgram(host, 'scan');
      const found = await scanFiles(host, program, needles);
      const own = host === fleet.hub ? [] : [expect.stringMatching(/^\/etc\/ssl\/reeve\/\.shop\.[0-9a-f]{16}\/key\.pem$/), expect.stringMatching(/^\/var\/lib\/reeve-privd\/cert\/[0-9a-f]{64}$/)];
      expect(found.sort(), host.name).toEqual(own);
    }
  });

  test('a self-signed one is made on the host, its group reads the key, and the service is told', async () => {
    const before = await reloads(web1);
    expect(await change('add', 'web1', 'mail', '--self-signed', '--name', 'mail.example.org', '--name', '*.mail.example.org', '--group', 'www-data', '--reload', 'demo.service')).toMatchObject({ code: 0 });
    expect(await inPlace(web1, 'mail')).toBe('DNS:*.mail.example.org, DNS:mail.example.org');
    expect(await modes('mail')).toContain(`${certFolder}/mail/key.pem 640 root:www-data\n`);
    expect(await reloads(web1)).toBe(before + 1);
    expect((await fleet.reeve(['apply', '--on', 'web1', '--yes'])).code).toBe(0);
    expect(await reloads(web1)).toBe(before + 1);
    // One that does not run is left alone; one that is not there is told.
    await web1.run(['systemctl', 'stop', 'demo.service']);
    expect(await change('set', 'web1', 'mail', '--days', '30')).toMatchObject({ code: 0 });
    expect((await web1.exec(['systemctl', 'is-active', 'demo.service'])).stdout).toBe('inactive\n');
    await web1.run(['systemctl', 'start', 'demo.service']);
    const gone = await change('set', 'web1', 'mail', '--reload', 'gone.service');
    expect([gone.code, gone.stdout + gone.stderr]).toEqual([1, expect.stringContaining('the reload of gone.service: ') as string]);
    expect(await change('set', 'web1', 'mail', '--reload', 'demo.service')).toMatchObject({ code: 0 });
  });

  test('what the policy does not allow is refused with the line that would allow it', async () => {
    const refused = await change('set', 'web1', 'mail', '--reload', 'ssh.service');
    expect([refused.code, refused.stdout + refused.stderr]).toEqual([1, expect.stringContaining('allow cert.unit unit=ssh.service') as string]);
    expect((await change('set', 'web1', 'mail', '--group', 'shadow')).stdout).toContain('allow cert.write name=mail group=shadow');
  });

  test('another one takes its place in one step: who reads all the time finds a pair that fits', async () => {
    const reading = web1.exec(['sh', '-c', `for i in $(seq 400); do d=$(readlink ${certFolder}/shop); sha256sum ${certFolder}/$d/cert.pem ${certFolder}/$d/key.pem 2>&1 | cut -c1-64 | tr '\\n' ' '; echo; sleep 0.02; done | sort -u`], { timeoutMs: 120_000 });
    for (const name of ['a', 'b', 'c']) expect(await change('set', 'web1', 'shop', ...(await handOver(fleet, authority.issue([`${name}.example.org`])))), name).toMatchObject({ code: 0 });
    expect(await inPlace(web1, 'shop')).toBe('DNS:c.example.org');
    const pairs = (await reading).stdout.split('\n').filter((line) => /^[0-9a-f]{64} [0-9a-f]{64} $/.test(line));
    expect(new Set(pairs.map((line) => line.slice(0, 64))).size, 'no certificate with two keys').toBe(pairs.length);
    expect((await web1.run(['ls', '-A', certFolder])).split('\n').filter((name) => name.startsWith('.shop.'))).toHaveLength(1);
  });

  test('what somebody alters by hand is drift, stays, and is written over when asked to', async () => {
    const other = authority.issue(['by-hand.example.org']).cert;
    await web1.write(`${certFolder}/shop/cert.pem`, other);
    expect((await fleet.reeve(['apply', '--on', 'web1', '--yes'])).stdout).toContain('was altered by hand and stays so');
    expect(await web1.read(`${certFolder}/shop/cert.pem`)).toBe(other);
    expect((await fleet.reeve(['status'])).stdout).toContain('certificate shop was altered by hand');
    expect(await change('set', 'web1', 'shop', '--overwrite')).toMatchObject({ code: 0 });
    expect(await inPlace(web1, 'shop')).toBe('DNS:c.example.org');
    expect((await fleet.reeve(['status'])).stdout).not.toContain('certificate shop');
  });

  test('the one before comes back with its key when root of the host takes the change back', async () => {
    expect(await change('set', 'web1', 'shop', ...(await handOver(fleet, authority.issue(['wrong.example.org'])))), 'set').toMatchObject({ code: 0 });
    await web1.run(['reeve-agent', 'undo', 'cert', '--yes']);
    expect(await inPlace(web1, 'shop')).toBe('DNS:c.example.org');
    // The host is held until root has seen to it that the coordinator wants something else.
    await web1.run(['reeve-agent', 'hold', '--end']);
    await until(async () => (await fleet.reeve(['apply', '--on', 'web1', '--yes'])).code === 0, { timeoutMs: 30_000, everyMs: 500, what: 'the hold to be over' });
    expect(await inPlace(web1, 'shop')).toBe('DNS:wrong.example.org');
  });

  test('one that ends soon is told in time; list, show and doctor say the same', async () => {
    expect(await change('set', 'web1', 'shop', ...(await handOver(fleet, authority.issue(['soon.example.org'], { days: 2 })))), 'set').toMatchObject({ code: 0 });
    expect((await fleet.reeve(['status'])).stdout).toContain('certificate shop expires soon');
    expect((await fleet.reeve(['cert', 'list'])).stdout).toMatch(/^web1 +shop +supplied +soon\.example\.org +\S+, in 1 day/m);
    const shown = await fleet.json<{ cert: { state: { fingerprint: string } }; unasked: string }>(['cert', 'show', 'web1', 'shop']);
    const fingerprint = new X509Certificate(await web1.read(`${certFolder}/shop/cert.pem`)).fingerprint256.replaceAll(':', '').toLowerCase();
    expect([shown.unasked, shown.cert.state.fingerprint]).toEqual(['', fingerprint]);
    expect((await fleet.reeve(['doctor', 'web1'])).stdout).toContain('expires soon');
  });

  test('they are there after a reboot, and go when they are removed', async () => {
    await web1.reboot();
    expect(await inPlace(web1, 'mail')).toContain('mail.example.org');
    await fleet.waitState('web1', 'connected', 90_000);
    for (const name of ['mail', 'shop']) expect(await change('remove', 'web1', name)).toMatchObject({ code: 0 });
    expect(await web1.run(['ls', '-A', certFolder])).toBe('');
  });
});
