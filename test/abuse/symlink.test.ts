import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { bootAgentHost, setPolicy } from '../support/abuse-host.js';
import { callHelper, type HelperCaller } from '../support/abuse-helper.js';
import { installProgram, parseCounts } from '../support/abuse-program.js';
import { differences, stateOf } from '../support/abuse-state.js';
import { hosts } from '../support/fleet.js';

/** The bar is a million exchanges in all. */
const FLIPS = Number(process.env['REEVE_FLIPS'] ?? 1_000_000);
/** And at least so many of them exactly between the helper's check and its move. */
const RACES = 10;
const EXCHANGED = 'PATH_UNSAFE it was exchanged while it was moved';
const CANARY = '/srv/canary';
const TRASH = '/home/.reeve-trash';

describe.skipIf(!hosts.ok)('an attacker who exchanges a home with something else as fast as the kernel can', () => {
  let lab: Lab;
  let host: LabHost;
  let program: string;
  let helper: HelperCaller;

  beforeAll(async () => {
    lab = await startLab({ name: 'symlink' });
    host = await bootAgentHost(lab, 'host');
    program = await installProgram(host, 'flip');
    await setPolicy(host, 'standard');
    await host.run(['/bin/sh', '-c', `mkdir -p ${CANARY}/inner && for i in 1 2 3; do echo "canary $i" >${CANARY}/inner/$i; done && ln -s inner/1 ${CANARY}/link && useradd --create-home victim && echo mine >/home/victim/mine`]);
    helper = await callHelper(host);
  });
  afterAll(() => {
    helper.close();
    lab.close();
  });

  /** Starts the exchanges; the result ends them and gives their number. */
  function attack(a: string, b: string): () => Promise<number> {
    const child: ChildProcess = host.spawn([program, 'attack', a, b]);
    const out = child.stdout === null ? Promise.resolve('') : text(child.stdout);
    return async () => {
      child.stdin?.end();
      return parseCounts(await out).get('flips') ?? 0;
    };
  }

  test('makes a careless program move a link and give away the canary, so that the next tests can fail', async () => {
    await host.run(['/bin/sh', '-c', `mkdir -p /home/control && chown 4711:4711 /home/control && ln -s ${CANARY} /home/control.link`]);
    const before = await stateOf(host, [CANARY]);
    const end = attack('/home/control', '/home/control.link');
    const counts = parseCounts(await host.run([program, 'naive', '/home/control', '/home/control.moved', '300000'], { timeoutMs: 120_000 }));
    console.info(`careless: ${String(counts.get('escapes'))} escapes in ${String(counts.get('moves'))} moves, ${String(await end())} flips`);
    expect(counts.get('escapes')).toBeGreaterThan(0);
    expect(differences(before, await stateOf(host, [CANARY])).join('\n')).toContain('4711:4711');
    await host.run(['/bin/sh', '-c', `chown -R -h 0:0 ${CANARY}; rm -rf /home/control /home/control.link /home/control.moved`]);
  });

  test(`moves nothing but homes to the trash: 0 escapes in ${String(FLIPS)} exchanges with a link and with a folder of another user`, async () => {
    const [canary, victim] = [await stateOf(host, [CANARY]), await stateOf(host, ['/home/victim/mine'])];
    const answers = new Map<string, number>();
    const uids = new Map<string, number>();
    let flips = 0;
    for (let round = 0; flips < FLIPS || (answers.get(EXCHANGED) ?? 0) < RACES; round += 1) {
      const name = `u${String(round)}`;
      const decoy = round % 2 === 0 ? '/home/.decoy' : '/home/victim';
      if (round % 2 === 0) await host.run(['ln', '-sfn', CANARY, decoy]);
      const added = await helper.call('user.add', { name, shell: '/bin/sh', kind: 'home' });
      expect(added, name).toMatchObject({ code: 'OK' });
      uids.set(name, (JSON.parse(added.reply ?? '') as { uid: number }).uid);
      const operation = randomUUID();
      const end = attack(`/home/${name}`, decoy);
      for (let done = false; !done;) {
        const answer = await helper.call('user.remove', { name }, operation);
        const key = `${answer.code} ${answer.fields?.['rule'] ?? ''}`.trim();
        answers.set(key, (answers.get(key) ?? 0) + 1);
        done = answer.code === 'OK';
      }
      flips += await end();
      expect((await host.exec(['test', '-e', `/home/${name}`])).code, `/home/${name} is gone`).toBe(1);
    }
    console.info(`${String(flips)} flips, ${String(uids.size)} homes removed; ${JSON.stringify(Object.fromEntries(answers))}`);
    // The races were real: the helper saw each kind of exchange, also the one between its check and its move.
    expect([...answers.keys()].sort()).toEqual(['OK', 'PATH_UNSAFE it does not belong to the user', 'PATH_UNSAFE it is a symbolic link', EXCHANGED]);
    expect(differences(canary, await stateOf(host, [CANARY]))).toEqual([]);
    expect(differences(victim, await stateOf(host, ['/home/victim/mine']))).toEqual([]);
    const trash = (await host.run(['find', TRASH, '-mindepth', '1', '-maxdepth', '1', '-printf', '%f %y %U\\n'])).trim().split('\n').sort();
    const entries = trash.map((line) => line.replace(/^(u\d+)\.[0-9a-f]{32} /, '$1 '));
    expect(entries).toEqual([...uids].map(([name, uid]) => `${name} d ${String(uid)}`).sort());
    expect((await host.run(['find', TRASH, '-mindepth', '2', '-printf', '%U\\n'])).trim().split('\n').every((uid) => [...uids.values()].includes(Number(uid)))).toBe(true);
    expect((await host.run(['ls', '-A', '/home'])).trim().split('\n').sort()).toEqual(['.decoy', '.reeve-trash', 'victim']);
    expect(await host.run(['ls', '-A', '/var/lib/reeve-privd/owned/user'])).toBe('');
  }, 240_000);
});
