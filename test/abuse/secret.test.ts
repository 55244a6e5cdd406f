import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseJoinToken, parseLoginToken } from '../../shared/model/join-token.js';
import type { LabHost } from '../lab/lab.js';
import { installProgram } from '../support/abuse-program.js';
import { keyForms, scanFiles, secretForms, setNeedles, watchProcesses } from '../support/abuse-secret.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

/** Every join token and every login token begins so, and every PEM or DER form of a private key of ours (PKCS 8, P-256) holds one of these. */
const KIND = ['reeve1_A', 'reevelogin1_A', 'PRIVATE KEY-----', 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg'];

describe.skipIf(!hosts.ok)('join token, login token and private keys', () => {
  let fleet: TestFleet;
  let program: string;
  const both = (): LabHost[] => [fleet.hub, fleet.host('web')];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'secret', hosts: ['web'], join: false });
    for (const host of both()) program = await installProgram(host, 'scan');
    await fleet.host('web').run(['useradd', '--create-home', 'debian']);
  });
  afterAll(() => fleet.close());

  test('are found where they are not hidden, so that the next tests can fail', async () => {
    const host = fleet.host('web');
    await setNeedles(host, KIND.map((kind) => Buffer.from(kind)));
    const watch = await watchProcesses(host, program);
    // Each is there until it was found.
    const decoys = [host.spawn(['/bin/sh', '-c', 'read line', 'reeve1_Adecoy']), host.spawn(['/bin/cat'], { env: { DECOY: '-----BEGIN PRIVATE KEY-----' } })];
    for (const part of ['cmdline', 'environ']) await until(() => new RegExp(`^hit /proc/\\d+/${part} `, 'm').test(watch.found()), { timeoutMs: 30_000, what: `a secret in a ${part} to be found` });
    for (const decoy of decoys) decoy.stdin?.end();
    expect((await watch.end()).at(-1)).toMatch(/^rounds \d+$/);
    const secret = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
    await host.write('/var/tmp/decoy', Buffer.concat([Buffer.alloc(9000), secret, Buffer.alloc(3)]));
    expect(await scanFiles(host, program, [secret])).toEqual(['/var/tmp/decoy']);
    await host.run(['rm', '/var/tmp/decoy']);
  });

  test('are never in arguments or environments, and on no disk but where they must be', async () => {
    const web = fleet.host('web');
    for (const host of both()) await setNeedles(host, KIND.map((kind) => Buffer.from(kind)));
    const watches = await Promise.all(both().map((host) => watchProcesses(host, program)));
    const started = performance.now();
    const invited = await fleet.reeve(['host', 'invite', 'web', '--policy', 'standard']);
    const token = /'(reeve1_[A-Za-z0-9_-]+)'/.exec(invited.stdout)?.[1] ?? '';
    const secret = Buffer.from(parseJoinToken(token).token);
    // As a person does: into a shell that reads its commands, not as arguments of one.
    await web.run(['/bin/sh'], { input: invited.stdout, timeoutMs: 60_000 });
    await fleet.waitState('web', 'connected');
    for (const args of RUN) expect((await fleet.reeve(args)).code, args.join(' ')).toBe(0);
    const again = await web.exec(['/bin/sh'], { input: invited.stdout, timeoutMs: 60_000 });
    expect(again.code, 'a token is good once').not.toBe(0);
    expect(again.stdout + again.stderr).not.toContain(token.slice(0, 40));
    // An operator logs in and renews, on the coordinator's own machine, where more could be found.
    await fleet.hub.run(['useradd', '--create-home', 'ada']);
    expect((await fleet.reeve(['operator', 'add', 'ada', '--role', 'operator'])).code).toBe(0);
    const login = await fleet.reeve(['operator', 'invite', 'ada']);
    const loginToken = /'(reevelogin1_[A-Za-z0-9_-]+)'/.exec(login.stdout)?.[1] ?? '';
    for (const input of [login.stdout, 'reeve login </dev/null\n']) await fleet.hub.run(['runuser', '-u', 'ada', '--', 'env', 'HOME=/home/ada', '/bin/sh'], { input, timeoutMs: 60_000 });
    const seconds = (performance.now() - started) / 1000;
    for (const watch of watches) {
      const lines = await watch.end();
      const rounds = Number(/^rounds (\d+)$/m.exec(lines.join('\n'))?.[1]);
      console.info(`looked at every process ${String(rounds)} times in ${seconds.toFixed(1)} s: one look every ${(1000 * seconds / rounds).toFixed(1)} ms`);
      expect(rounds / seconds).toBeGreaterThan(50);
      expect(lines.filter((line) => line.startsWith('hit '))).toEqual([]);
    }

    const keyFile = '/var/lib/reeve-agent/identity/current/key.pem';
    const agentKey = keyForms(await web.read(keyFile));
    const pkiFiles = (await fleet.hub.run(['grep', '-rl', 'PRIVATE KEY-----', '/var/lib/reeved'])).trim().split('\n').sort();
    expect(pkiFiles.every((file) => file.startsWith('/var/lib/reeved/pki/')), pkiFiles.join(' ')).toBe(true);
    expect(pkiFiles.length).toBe(3);
    const hubKeys = (await Promise.all(pkiFiles.map((file) => fleet.hub.read(file)))).flatMap((pem) => keyForms(pem.slice(pem.indexOf('-----BEGIN PRIVATE KEY'), pem.indexOf('-----END PRIVATE KEY'))  + '-----END PRIVATE KEY-----\n'));
    const tokenForms = [Buffer.from(token), ...secretForms(secret)];
    const identity = (await web.run(['readlink', '-f', keyFile])).trim();

    expect(await scanFiles(web, program, tokenForms)).toEqual([]);
    expect(await scanFiles(fleet.hub, program, tokenForms)).toEqual([]);
    expect(await scanFiles(web, program, [...agentKey, ...hubKeys])).toEqual([identity]);
    expect(await scanFiles(fleet.hub, program, agentKey), 'the agent\'s key never leaves its host').toEqual([]);
    expect(await scanFiles(fleet.hub, program, hubKeys)).toEqual(pkiFiles);
    const loginFile = '/home/ada/.config/reeve/login.json';
    const operatorKey = keyForms((JSON.parse(await fleet.hub.read(loginFile)) as { key: string }).key);
    expect(await scanFiles(fleet.hub, program, operatorKey), "the operator's key is in the operator's own file only").toEqual([loginFile]);
    expect(await scanFiles(fleet.hub, program, [Buffer.from(loginToken), ...secretForms(Buffer.from(parseLoginToken(loginToken).token))])).toEqual([]);
    expect(await fleet.hub.run(['stat', '-c', '%a %U', loginFile])).toBe('600 ada\n');
    expect(await web.run(['stat', '-c', '%a %U:%G', identity])).toBe('600 reeve-agent:reeve-agent\n');
    expect((await fleet.hub.run(['stat', '-c', '%a %U:%G', ...pkiFiles])).trim().split('\n')).toEqual(pkiFiles.map(() => '600 reeved:reeved'));
  }, 240_000);
});

const RUN: readonly (readonly string[])[] = [
  ['user', 'add', 'ada', '--on', 'web', '--groups', 'users', '--yes'],
  ['user', 'add', 'ada', '--on', 'web', '--groups', 'users', '--shell', '/bin/sh', '--yes'],
  ['user', 'lock', 'ada', '--on', 'web', '--yes'],
  ['user', 'unlock', 'ada', '--on', 'web', '--yes'],
  ['user', 'adopt', 'web', 'debian', '--yes'],
  ['user', 'observe', 'web'],
  ['user', 'remove', 'ada', '--on', 'web', '--yes'],
  ['host', 'show', 'web'],
  ['audit', 'list'],
  ['operation', 'list'],
  ['status'],
];
