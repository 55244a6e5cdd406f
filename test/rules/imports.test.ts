import { expect, test } from 'vitest';
import { importsOf, shippedFiles, textOf } from './tree.js';

interface Law {
  readonly name: string;
  readonly fix: string;
  readonly breaks: (file: string, imported: string) => boolean;
}

const within = (...folders: string[]) => (file: string): boolean => folders.some((folder) => file.startsWith(folder));
const pure = (file: string): boolean => /^(?:shared\/model\/|coordinator\/desired\/|agent\/[a-z]+\/(?:plan|render)\.ts$)/.test(file);

/** The functions of the inventory that find hosts by what a caller typed, imported under whatever name. */
const resolvers = /import\s*(?:\*|\{[^}]*\b(?:findHost|selectHosts|listHosts)\b)[^;]*from '\.\.\/inventory\/host\.js'/;

const laws: readonly Law[] = [
  {
    name: 'agent and coordinator never import each other',
    fix: 'move what both need to shared/',
    breaks: (file, imported) => (within('agent/')(file) && within('coordinator/')(imported)) || (within('coordinator/')(file) && within('agent/')(imported)),
  },
  { name: 'shared imports neither agent nor coordinator', fix: 'pass it in as a parameter', breaks: (file, imported) => within('shared/')(file) && within('agent/', 'coordinator/')(imported) },
  {
    name: 'model, plan, render and desired are pure',
    fix: 'time, ids, randomness and the machine come in as parameters',
    breaks: (file, imported) => pure(file) && (imported.startsWith('node:') || within('shared/kit/', 'shared/rpc/')(imported)),
  },
  { name: 'SQL only in coordinator/inventory', fix: 'add a function to the noun’s file there', breaks: (file, imported) => imported === 'better-sqlite3' && !within('coordinator/inventory/')(file) },
  {
    name: 'child processes only in agent/host, coordinator/api/peer.ts, shared/kit/notify.ts and coordinator/notify/hook.ts',
    fix: 'add a function there, with an argv array and an absolute path',
    breaks: (file, imported) => /^(?:node:)?child_process$/.test(imported) && !(within('agent/host/')(file) || file === 'coordinator/api/peer.ts' || file === 'shared/kit/notify.ts' || file === 'coordinator/notify/hook.ts'),
  },
  { name: 'forge only in coordinator/pki', fix: 'node:crypto reads and verifies; forge only writes DER there', breaks: (file, imported) => imported === 'node-forge' && !within('coordinator/pki/')(file) },
  { name: 'protos are loaded only in shared/rpc', fix: 'use serviceDefinition or messageCodec', breaks: (file, imported) => imported === '@grpc/proto-loader' && !within('shared/rpc/')(file) },
  {
    name: 'the command line imports shared only',
    fix: 'ask reeved through the API like everyone else',
    breaks: (file, imported) => within('coordinator/cli/')(file) && within('coordinator/')(imported) && !within('coordinator/cli/')(imported),
  },
  {
    name: 'API handlers resolve hosts only through coordinator/api/select.ts',
    fix: 'hostFor, hostsFor, visibleHosts, listedHosts or changeableHosts with the caller: hosts outside its scope do not exist for it',
    breaks: (file, imported) => within('coordinator/api/')(file) && file !== 'coordinator/api/select.ts' && imported === 'coordinator/inventory/host.ts' && resolvers.test(textOf(file)),
  },
  {
    name: 'SSH only in coordinator/cli/ssh, and only to take hosts in',
    fix: 'use openSession with a command of its table; nothing else of Reeve speaks SSH',
    breaks: (file, imported) =>
      (imported === 'ssh2' && !(within('coordinator/cli/ssh/')(file) || file === 'coordinator/cli/add/way-in.ts')) ||
      (within('coordinator/cli/ssh/')(imported) && !within('coordinator/cli/ssh/', 'coordinator/cli/add/')(file)),
  },
  {
    name: 'the command line opens connections only in connect.ts and ssh/session.ts',
    fix: 'ask reeved through the API',
    breaks: (file, imported) => within('coordinator/cli/')(file) && !file.includes('/testing/') && /^node:(?:net|tls|http|https|http2|dgram)$/.test(imported),
  },
  { name: 'YAML is read only where a person names a file of hosts', fix: 'wire and database have formats of their own', breaks: (file, imported) => imported === 'yaml' && !within('coordinator/cli/add/')(file) },
  { name: 'yargs and forge stay out of the agent', fix: 'they cost memory on every host', breaks: (file, imported) => within('agent/')(file) && /^(?:yargs|node-forge|better-sqlite3|ssh2|yaml)$/.test(imported) },
];

test.each(laws)('$name', ({ breaks, fix }) => {
  const offenders = shippedFiles().flatMap((file) => importsOf(file).filter((imported) => breaks(file, imported)).map((imported) => `${file} imports ${imported}`));
  expect(offenders, `to repair: ${fix}`).toEqual([]);
});

test('there are no import cycles', () => {
  const files = new Set(shippedFiles());
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file) || !files.has(file)) return undefined;
    for (const imported of importsOf(file)) {
      const cycle = walk(imported, [...path, file]);
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of files) expect(walk(file, [])?.join(' -> '), 'break the cycle by moving the shared part below both').toBeUndefined();
});
