import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callHelper, type HelperAnswer, type HelperCaller } from '../support/abuse-helper.js';
import { replyOf } from '../support/sshd-host.js';
import type { WebFleet } from '../support/web-fleet.js';

const site = 'hostile.example.org';
const model = 'ab'.repeat(32);
const server = (inside: string): string =>
  `# Managed by Reeve: changes made here are told and not overwritten. model ${model}\nserver {\n    listen 80;\n    server_name "${site}";\n    location "/" {\n        ${inside}\n    }\n}\n`;
const folders = ['/etc', '/root', '/home', '/opt', '/srv', '/var/log/nginx', '/var/lib/nginx', '/run', '/tmp', '/var/tmp', '/usr/share/nginx', '/usr/lib/nginx'];

/** What somebody who has taken over the agent would have nginx read. */
const texts: readonly (readonly [what: string, text: string])[] = [
  ['a module', `load_module /tmp/evil.so;\n${server('return 200;')}`],
  ['a log where cron reads', server('access_log /etc/cron.d/evil; return 200;')],
  ['an error log', server('error_log /root/.ssh/authorized_keys; return 200;')],
  ['an include of a secret', server('include /etc/shadow; return 200;')],
  ['an engine of OpenSSL', server('ssl_engine /tmp/evil.so; return 200;')],
  ['a program', server('perl "sub { system(1) }"; return 200;')],
  ['a folder of the system', server('alias "/etc/";')],
  ['a folder of root', server('root "/root";')],
  ['a folder by a way around', server('root "/srv/../etc";')],
  ['a folder for bodies', server('client_body_temp_path /etc/reeve; return 200;')],
  ['a cache', `proxy_cache_path /etc/reeve keys_zone=a:1m;\n${server('return 200;')}`],
  ['the socket of the helper', server('proxy_pass "http://unix:/run/reeve/priv.sock:/";')],
  ['the addresses of a cloud', server('proxy_pass "http://169.254.169.254:80";')],
  ['a program behind that the policy does not name', server('proxy_pass "http://198.51.100.9:80";')],
  ['a variable for an address', server('proxy_pass "http://$arg_to:80";')],
  ['a second block', `${server('return 200;')}}\nevents {}\n`],
  ['a file that ends early', server('return 200;').slice(0, -2)],
  ['a NUL', server('return 200 "a\0b";')],
  ['another site', server('return 200;').replace(`"${site}"`, '"other.example.org"')],
  ['a default for all', server('return 200;').replace('listen 80;', 'listen 80 default_server;')],
];

/** A taken-over agent, and the helper in its sandbox as it is shipped. */
export function testHostile(fleetOf: () => WebFleet): void {
  describe('a taken-over agent', () => {
    let helper: HelperCaller;
    beforeAll(async () => {
      helper = await callHelper(fleetOf().web);
    });
    afterAll(() => helper.close());

    const put = (text: string, name = `${site}.conf`): Uint8Array => Uint8Array.from(Buffer.from(`put ${name} ${String(Buffer.byteLength(text))}\n${text}\n`));
    const check = (set: Uint8Array): Promise<HelperAnswer> => helper.call('vhost.check', { set });
    /** All files but what is laid out, and what runs writes. */
    const files = (): Promise<string> => fleetOf().web.run(['sh', '-c', `find ${folders.join(' ')} -path "/etc/nginx/reeve/.*" -prune -o -path "/run/systemd" -prune -o -path "/run/reeve*" -prune -o -path "/run/udev" -prune -o \\( -type f -o -type l -o -type s \\) -printf "%p %m %U %G %i\\n" | sort`]);

    test('gets no site past the helper that is none', async () => {
      const before = [await files(), await fleetOf().configuration()];
      for (const [what, text] of texts) {
        const answer = await check(put(text));
        const refused = answer.code !== 'OK' || replyOf('vhost.check', answer).parked.some((row) => row.site === site);
        expect(refused, `${what}: ${JSON.stringify(answer)}`).toBe(true);
      }
      for (const name of ['../evil.conf', 'a/b.conf', '.conf', 'evil', 'hostile.example.org.so', `${'a'.repeat(300)}.conf`]) expect((await check(put(server('return 200;'), name))).code, name).not.toBe('OK');
      expect([await files(), await fleetOf().configuration()], 'a test leaves nothing').toEqual(before);
    });

    test('puts nothing in place that was not tested, and cannot alter what was', async () => {
      const { web, configuration } = fleetOf();
      const before = await configuration();
      const { set } = replyOf('vhost.check', await check(put(server('return 200;'))));
      for (const other of [Buffer.alloc(32, 1), Buffer.from(set).reverse()]) expect((await helper.call('vhost.apply', { set: Uint8Array.from(other) })).code).toBe('STATE_MOVED');
      expect((await web.exec(['runuser', '-u', 'reeve-agent', '--', 'sh', '-c', 'echo "load_module a.so;" >>/etc/nginx/reeve/.staged/hostile.example.org.conf'])).stderr).toMatch(/Permission denied/);
      // Root's own hand, between test and use.
      const policy = await web.read('/etc/reeve/policy');
      await web.write('/etc/reeve/policy', policy.replaceAll(/^allow vhost\.write.*$/gm, ''), 0o644);
      expect((await helper.call('vhost.apply', { set })).code).toMatch(/^(?:STATE_MOVED|POLICY_DENIED)$/);
      await web.write('/etc/reeve/policy', policy, 0o644);
      expect(await configuration()).toBe(before);
    });
  });
}
