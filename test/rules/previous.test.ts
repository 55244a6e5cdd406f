import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { afterAll, expect, test } from 'vitest';
import { previousRelease } from '../../packaging/previous.js';
import { top } from './tree.js';

const { version, commit } = previousRelease(top);
const folder = mkdtempSync(join(tmpdir(), 'reeve-previous-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every thing of a contract that the other side may rely on, and what it is. */
function contractOf(root: string): Map<string, string> {
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_origin, target) => (target.startsWith('reeve/') ? join(root, target) : target);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.proto')).sort();
  loaded.loadSync(files, { keepCase: true });
  const found = new Map<string, string>();
  const walk = (item: protobuf.ReflectionObject): void => {
    if (item instanceof protobuf.Type) {
      for (const field of item.fieldsArray) {
        const rule = field instanceof protobuf.MapField ? `map of ${field.keyType} to` : field.repeated ? 'repeated' : field.partOf === null ? 'one' : `one of ${field.partOf.name}`;
        found.set(`${item.fullName} field ${field.name}`, `number ${String(field.id)}, ${rule} ${field.resolvedType?.fullName ?? field.type}`);
      }
    }
    if (item instanceof protobuf.Enum) for (const [name, number] of Object.entries(item.values)) found.set(`${item.fullName} value ${name}`, `number ${String(number)}`);
    if (item instanceof protobuf.Service) {
      for (const method of item.methodsArray) {
        found.set(`${item.fullName} rpc ${method.name}`, `${method.requestStream === true ? 'stream ' : ''}${method.requestType} to ${method.responseStream === true ? 'stream ' : ''}${method.responseType}`);
      }
    }
    if (item instanceof protobuf.Namespace) item.nestedArray.forEach(walk);
  };
  loaded.resolveAll();
  walk(loaded);
  return found;
}

function previousProtos(): string {
  const tar = join(folder, 'proto.tar');
  try {
    execFileSync('git', ['-C', top, 'archive', '--format=tar', `--output=${tar}`, commit, 'proto'], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    throw new Error(`Release ${version} cannot be compared with: commit ${commit} is not in this clone. Fetch the whole history: git fetch --unshallow`, { cause: error });
  }
  mkdirSync(join(folder, 'tree'));
  execFileSync('tar', ['--extract', '--file', tar, '--directory', join(folder, 'tree')]);
  return join(folder, 'tree/proto');
}

test(`the contract only adds to the one of release ${version}`, () => {
  const before = contractOf(previousProtos());
  const now = contractOf(join(top, 'proto'));
  expect(before.size).toBeGreaterThan(100);
  expect([...now].filter(([name]) => !before.has(name)).length, 'the comparison sees what was added').toBeGreaterThan(0);
  const broken = [...before].filter(([name, what]) => now.get(name) !== what).map(([name, what]) => `${name}: was ${what}, is ${now.get(name) ?? 'gone'}`);
  expect(broken, 'a released field, value or call stays as it is: add a new one beside it (proto/README.md)').toEqual([]);
});

test('a number is never used for another field of the same message', () => {
  const seen = new Map<string, string>();
  for (const [name, what] of contractOf(join(top, 'proto'))) {
    const [, message, number] = /^(\S+) field .*\|number (\d+),/.exec(`${name}|${what}`) ?? [];
    if (message === undefined || number === undefined) continue;
    expect(seen.get(`${message} ${number}`), name).toBeUndefined();
    seen.set(`${message} ${number}`, name);
  }
});
