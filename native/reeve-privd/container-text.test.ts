/** The text of a container: the helper and the model take the same ones, and what systemd reads of a unit is what the text said. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseContainerName, parseContainerSnapshot, parseImage, parsePlainPath } from '../../shared/model/container-field.js';
import { parseContainerText } from '../../shared/model/container-text.js';
import { parseInterface } from '../../shared/model/nat.js';
import { lxc, pct, podman, startContainerHost, sum, units, version } from './testing/container.js';
import { isRoot, type Privd } from './testing/namespace.js';

const policy = ['version 1', 'allow observe.container', 'allow container.write', 'allow container.image', 'allow container.port port=1-65535', 'allow container.volume folder=*', 'allow container.bridge bridge=lxcbr0',
  'allow container.host-ids name=x', 'allow container.host-network name=x', 'allow container.device name=x path=/dev/fuse,/dev/null', ''].join('\n');

/** The blob of a key that no one has. */
const ed25519 = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, 7)]).toString('base64');

/** Words of a command line in a unit file, by systemd.syntax(7) and "COMMAND LINES" of systemd.service(5). */
function systemdWords(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < line.length;) {
    if (line[at] === ' ' || line[at] === '\t') {
      at++;
      continue;
    }
    let word = '';
    let quote = '';
    for (; at < line.length && (quote !== '' || (line[at] !== ' ' && line[at] !== '\t')); at++) {
      const char = line[at] ?? '';
      if (char === quote) quote = '';
      else if (quote === '' && (char === '"' || char === "'")) quote = char;
      else if (char === '\\') {
        const next = line[++at] ?? '';
        if (!['\\', '"', "'"].includes(next)) throw new Error(`an escape that is not told: ${next}`);
        word += next;
      } else word += char;
    }
    if (/%(?!%)|\$(?!\$)/.test(word.replace(/%%|\$\$/g, ''))) throw new Error(`a specifier or variable: ${word}`);
    words.push(word.replace(/%%/g, '%').replace(/\$\$/g, '$'));
  }
  return words;
}

describe.skipIf(!isRoot)('texts of containers', () => {
  let privd: Privd;
  beforeAll(async () => {
    privd = await startContainerHost();
    privd.writePolicy(policy);
    privd.inside('mkdir', '-p', '/dev/shm');
  }, 120_000);
  afterAll(() => privd.close(), 60_000);

  /** Whether the helper takes a text, as far as its form is concerned. */
  const takes = async (spec: Buffer): Promise<boolean> => {
    try {
      await privd.call('container.put', { name: 'x', spec });
      await privd.call('container.settle', { name: 'x', keep: false });
      return true;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (code === 'FIELD_INVALID' || code === 'FIELD_MISSING') return false;
      if (!/^(?:CONTAINER_|POLICY_DENIED)/.test(code)) throw error;
      return true;
    }
  };
  const parses = (spec: Buffer): boolean => {
    try {
      parseContainerText(spec.toString());
      return true;
    } catch {
      return false;
    }
  };

  test('the helper takes what the model reads, and nothing else, whatever is put together', async () => {
    const pools: Record<string, readonly string[]> = {
      state: ['running', 'stopped', ''], boot: ['yes', 'no'], arg: ['', 'a b', '\u001b', 'ä'], env: ['A=1', 'A=', 'B=x=y', 'LD_X=1', 'PATH=1', '=x'], port: ['tcp 0.0.0.0 8080 80', 'tcp 0.0.0.0 9 80', 'tcp :: 8080 80', 'udp 127.0.0.1 53 53', 'tcp [::] 1 1', 'tcp 0.0.0.0 08 8'],
      volume: ['/srv/a /a rw', '/srv/b /b ro', '/srv/a /etc/x rw', '/srv/../a /c rw', '/srv/a /proc rw'], device: ['/dev/fuse', '/dev/null', '/etc'], network: ['host', 'bridge'], ids: ['host', 'own'], restart: ['no', 'always', 'on-failure'],
      memory: ['4194304', '1', '9007199254740993', '67108864'], swap: ['0', '1'], cpu: ['150', '0', '102401'], tasks: ['9', '0'], health: ['command', 'tcp 8080', 'http 8080 /x', 'http 8080 x', 'tcp 0'], 'health-arg': ['/x', 'y'], 'health-start': ['60', '5', '901'],
      stop: ['10', '0', '601'], idle: ['5', '0'], bridge: ['lxcbr0', 'lo'], address: ['10.0.3.5/24', '10.0.3.5', 'fd00::5/64', '10.0.3.5/32', '10.0.3.5/9', 'fd00::5/61'], gateway: ['10.0.3.1', '10.0.3.5', '10.9.9.9', '10.200.0.1', 'fd00::1', 'fd00::5', 'fd00:0:0:9::1', 'fd00:0:0:7::1'], image: [`localhost/web@sha256:${sum}`, 'localhost/web:1', `docker.io/a/b_c@sha256:${sum}`], archive: [sum, 'x'], id: ['101', '99', '999999999', '1000000000'], adopted: ['yes', 'no'], template: ['local:vztmpl/a_1.tar.zst', 'local:a', 'local:vztmpl/../a', '1:vztmpl/a'], storage: ['local-lvm', '-a', '1'], disk: ['67108864', '1', '1099511627776'],
      key: [`ssh-ed25519 ${ed25519}`, `ssh-ed25519 ${ed25519} ada@a`, 'ssh-ed25519 AAAA', 'x'], secret: [`token ${version()}`, 'token 1', `.token ${version()}`, `a-b.c ${version()}`],
    };
    const lists = ['arg', 'env', 'port', 'volume', 'device', 'health-arg', 'key', 'secret'];
    const pick = (key: string, words: readonly string[]): fc.Arbitrary<string | string[]> => (lists.includes(key) ? fc.subarray([...words], { maxLength: 2 }) : fc.constantFrom(...words));
    const values = fc.record(Object.fromEntries(Object.entries(pools).map(([key, words]) => [key, pick(key, words)])));
    let both = 0;
    await fc.assert(fc.asyncProperty(fc.constantFrom(podman, lxc, pct), values, fc.shuffledSubarray(Object.keys(pools), { maxLength: 4 }), async (engine, all, keys) => {
      const some = Object.fromEntries(keys.map((key) => [key, all[key]]));
      const spec = engine(some);
      const [helper, model] = [await takes(spec), parses(spec)];
      expect(model, spec.toString()).toBe(helper);
      both += helper && model ? 1 : 0;
    }), { numRuns: 3000 });
    expect(both).toBeGreaterThan(300);
  }, 120_000);

  test('names of containers, snapshots, bridges and images are the same to helper and model', async () => {
    const bits = ['a', 'b1', '1', '0', '-', '--', '.', '_', '__', '/', ':', '@', 'A', 'localhost', 'docker.io', 'host', 'none', 'current', 'vzdump', 'lo', 'any', ':5000', ':0', ':65536', ':1.2', `@sha256:${sum}`, ' ', 'ä'];
    const word = fc.array(fc.constantFrom(...bits), { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
    const asked: readonly [string, (text: string) => unknown, (text: string) => Promise<unknown>][] = [
      ['name', (text) => parseContainerName(text), (name) => privd.call('container.log', { name, lines: 1, follow: false })],
      ['snapshot', (text) => parseContainerSnapshot(text), (snapshot) => privd.call('container.snapshot', { name: 'x', action: 'create', snapshot })],
      ['image', (text) => parseImage(text), (image) => privd.call('container.pull', { image })],
      ['bridge', (text) => parseInterface('bridge', text), (bridge) => privd.call('container.put', { name: 'y', spec: lxc({ bridge }) })],
      ['volume', (text) => parsePlainPath(text, 'volume'), (folder) => privd.call('container.put', { name: 'y', spec: podman({ volume: `${folder} /v rw` }) })],
    ];
    const whole = fc.constantFrom('a', 'a-b1', '1a', 'docker.io/a', 'localhost/a:b1', `docker.io/a/b__1@sha256:${sum}`, 'a.b:5000/a', '/srv/a/b1', '/srv/a.b_1@x');
    let both = 0;
    await fc.assert(fc.asyncProperty(fc.constantFrom(...asked), fc.oneof(word, word.map((text) => `docker.io/${text}`), word.map((text) => `/srv/${text}`), whole), async ([what, model, helper], text) => {
      const code = await helper(text).then(() => '', (error: unknown) => (error as { code?: string }).code ?? String(error));
      const taken = code !== 'FIELD_INVALID' && code !== 'FIELD_MISSING';
      let read = true;
      try {
        model(text);
      } catch {
        read = false;
      }
      expect(taken, `${what} ${JSON.stringify(text)}: ${code}`).toBe(read);
      both += taken ? 1 : 0;
    }), { numRuns: 2000 });
    expect(both).toBeGreaterThan(60);
  }, 120_000);

  test('what systemd reads of a unit is what the text said', async () => {
    const text = fc.array(fc.constantFrom('a', ' ', '"', "'", '\\', '%', '$', '{', '}', ';', '#', '-', '=', 'ä', '%n', '${A}', '\\x41', '&&', '*'), { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')).filter((word) => word !== '');
    await fc.assert(fc.asyncProperty(fc.array(text, { maxLength: 5 }), text, async (words, value) => {
      await privd.call('container.put', { name: 'x', spec: podman({ arg: words, env: [`V=${value}`] }) });
      const line = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(readFileSync(`${privd.root}${units}/reeve-container-x.service`, 'utf8'))?.[1] ?? '';
      const read = systemdWords(line.replace(/\\\n/g, ' '));
      const end = read.indexOf('--');
      expect(read.slice(end + 1)).toEqual([`localhost/web@sha256:${sum}`, ...words]);
      expect(read.slice(0, end)).toContain(`--env=V=${value}`);
    }), { numRuns: 100 });
  }, 60_000);

  test('an answer that would be too large is cut, and says so', async () => {
    const large = podman({ env: Array.from({ length: 15 }, (_, n) => `A${String(n).padStart(2, '0')}=${'x'.repeat(4000)}`) });
    for (let n = 0; n < 70; n++) await privd.call('container.put', { name: `l${String(n)}`, spec: large });
    const { container, truncated } = await privd.call('observe.container', { scope: 'all' });
    expect([truncated, container.length > 50, container.length < 70]).toEqual([true, true, true]);
    for (let n = 0; n < 70; n++) await privd.call('container.settle', { name: `l${String(n)}`, keep: false });
    expect((await privd.call('observe.container', { scope: 'all', name: 'l1' })).truncated).toBe(false);
  }, 60_000);
});
