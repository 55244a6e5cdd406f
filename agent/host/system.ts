import { randomUUID } from 'node:crypto';
import { constants, existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { sha256 } from '../../shared/kit/digest.js';
import { systemClock } from '../../shared/kit/clock.js';
import type { Logger } from '../../shared/kit/log.js';
import { policyMaxBytes } from '../../shared/gen/privd.js';
import { agentAccount, keyFolder } from '../paths.js';
import { createFactReader, readBootId } from './facts.js';
import { readCapped, writeWhole } from './file.js';
import { watchFolders, type FolderWatch, type WatchedFolder } from './folder-watch.js';
import type { AccountFiles, HoldFile, Host, HostPart, PolicyFault, PolicyFile } from './host.js';
import { openJob } from './job.js';
import { listeningPorts, listeningSockets } from './listening.js';
import { checkReach, readAdvertised, readBootFiles, readNetwork } from './network.js';
import { createPrivdClient } from './privd.js';
import { sitePaths, siteWatches, type SiteFolders } from './site-files.js';
import { readVolumes } from './volume.js';
import { askSite, freePorts } from './web.js';

/** Longest answer of the helper: removing a user waits for its processes, ms. */
const helperTimeoutMs = 120_000;

/** Largest account file that is read, bytes. */
const accountBytes = 4 * 1024 * 1024;

/** The files whose touch means that accounts may have changed. Only their metadata is read of the two secret ones. */
const accountFiles = ['passwd', 'shadow', 'group', 'gshadow'] as const;

/** Accounts of Reeve's programs: the agent's and the coordinator's. */
const reeveAccounts: readonly string[] = [agentAccount, 'reeved'];

/** Folder of sshd, and that of its drop-ins. */
const sshFolder = dirname(keyFolder);
const dropInFolder = join(sshFolder, 'sshd_config.d');
const certFolder = '/etc/ssl/reeve';

/** The file by which sshd knows of the key files. */
const dropInFile = '00-reeve-keys.conf';

/** Where units of containers are, and what their names begin with. */
const unitFolder = '/etc/systemd/system';
const containerUnit = 'reeve-container-';

/** Where the web server's files are. */
const siteFolders: SiteFolders = { engine: '/etc/nginx' };

/** Where the parts of the host are. */
export interface SystemHostOptions {
  readonly policyPath: string;
  /** File of local holds, in the policy's folder. */
  readonly holdPath: string;
  readonly helperSocket: string;
  /** Where reeve-carry is, if it is installed. */
  readonly carrier?: string;
  /** Folder of the agent's own state. */
  readonly statePath: string;
  /** Who may own the policy and the holds; root, and in development whoever runs the agent. */
  readonly policyOwners: readonly number[];
  readonly log: Logger;
}

/** The machine this runs on. Close it. */
export function createSystemHost(options: SystemHostOptions): Host & { close(): void } {
  const helper = createPrivdClient({ socketPath: options.helperSocket, timeoutMs: helperTimeoutMs });
  const facts = createFactReader();
  const bootId = readBootId();
  let folders: FolderWatch | undefined;
  return {
    clock: systemClock,
    helper,
    openJob: (ticket, program) => openJob(join(dirname(options.helperSocket), `${program}.sock`), ticket, options.carrier),
    readPolicy: () => readPolicyFile(options.policyPath, options.policyOwners),
    readHolds: () => readHoldFile(options.holdPath, options.policyOwners),
    readAccounts,
    homeExists: (name) => lstatSync(`/home/${name}`, { throwIfNoEntry: false }) !== undefined,
    readFacts: () => facts.read(systemClock.now()),
    readVolumes: () => readVolumes(options.statePath, ['/etc', '/var', '/var/lib/reeve-privd']),
    readNetwork,
    hasIpv6: () => existsSync('/proc/net/if_inet6'),
    readBootFiles,
    readOwnPorts: () => listeningPorts(readAccounts().passwd.filter(({ name }) => reeveAccounts.includes(name)).map(({ uid }) => uid)),
    readListening: listeningSockets,
    readAdvertised,
    checkReach,
    askSite,
    freePorts,
    bootId: () => bootId,
    bootMark: () => readBootMark(dirname(options.helperSocket)),
    monotonicMs: readMonotonicMs,
    stamp(part) {
      // Folders come and go: whoever looks at them finds out, too, which there are to be watched.
      folders?.look();
      if (part !== 'vhost') return stampOf(pathsOf(options, part));
      return sha256(stampOf(pathsOf(options, part))).toString('hex');
    },
    watch(onTouched) {
      folders = watchFolders(watchedFolders(options), onTouched, options.log);
      return folders;
    },
    close: () => helper.close(),
  };
}

/** Reads the policy as the helper does, with the same reasons (R31). */
export function readPolicyFile(path: string, owners: readonly number[]): PolicyFile {
  const file = readRootFile(path, owners, { name: 'policy', mostBytes: policyMaxBytes });
  return file.kind === 'fault' ? file : { kind: 'text', text: file.bytes.toString('utf8'), digest: sha256(file.bytes) };
}

/** Reads the file of local holds: like the policy it counts only when nobody but root can have written it. */
export function readHoldFile(path: string, owners: readonly number[]): HoldFile {
  const file = readRootFile(path, owners, { name: 'hold', mostBytes: 65_536 });
  if (file.kind === 'text') return { kind: 'text', text: file.bytes.toString('utf8') };
  return file.fault === 'missing' ? { kind: 'none' } : { kind: 'fault', reason: file.reason };
}

/** Reads a file that only its owners may write, as may its folder. */
function readRootFile(path: string, owners: readonly number[], what: { readonly name: string; readonly mostBytes: number }): { kind: 'text'; bytes: Buffer } | { kind: 'fault'; fault: PolicyFault; reason: string } {
  const fault = (kind: PolicyFault, reason: string) => ({ kind: 'fault', fault: kind, reason }) as const;
  try {
    const file = readCapped(path, what.mostBytes, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (file === undefined) return fault('size', `the ${what.name} file is larger than ${String(what.mostBytes)} bytes`);
    if (!file.regular) return fault('type', `the ${what.name} is not a regular file`);
    if (!owners.includes(file.uid)) return fault('owner', `the ${what.name} file does not belong to root`);
    if ((file.mode & 0o022) !== 0) return fault('mode', `others than root can write the ${what.name} file`);
    const folder = statSync(dirname(path));
    if (!owners.includes(folder.uid) || (folder.mode & 0o022) !== 0) return fault('mode', `others than root can write the folder of the ${what.name} file`);
    return { kind: 'text', bytes: file.bytes };
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return fault('missing', `the ${what.name} file does not exist`);
    if (code === 'ELOOP' || code === 'ENXIO') return fault('type', `the ${what.name} is not a regular file`);
    return fault('unreadable', `the ${what.name} file cannot be opened`);
  }
}

function readAccounts(): AccountFiles {
  const lines = (path: string): string[] => {
    try {
      return readCapped(path, accountBytes)?.bytes.toString('utf8').split('\n') ?? [];
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  };
  const passwd = lines('/etc/passwd').flatMap((line) => {
    const [name, , uid] = line.split(':');
    return name === undefined || name === '' || uid === undefined || !/^[0-9]+$/.test(uid) ? [] : [{ name, uid: Number(uid) }];
  });
  return {
    passwd,
    groups: new Set(lines('/etc/group').map((line) => line.split(':')[0] ?? '').filter((name) => name !== '')),
    shells: new Set(lines('/etc/shells').filter((line) => line.startsWith('/') && statSync(line, { throwIfNoEntry: false }) !== undefined)),
  };
}

function pathsOf(options: SystemHostOptions, part: HostPart): readonly string[] {
  switch (part) {
    case 'policy':
      return [options.policyPath];
    case 'hold':
      return [options.holdPath];
    case 'accounts':
      return accountFiles.map((name) => `/etc/${name}`);
    case 'keys':
      return keyPaths();
    case 'certs':
      return certPaths();
    case 'vhost':
      return sitePaths(siteFolders);
    case 'container':
      return [unitFolder];
    // The kernel's tables are no files: who manages them asks for their generation.
    case 'nat':
    case 'own':
      return [];
  }
}

/** The managed key files and the drop-in, with their folders. */
function keyPaths(): readonly string[] {
  return [keyFolder, ...namesIn(keyFolder).map((name) => join(keyFolder, name)), dropInFolder, join(dropInFolder, dropInFile)];
}

/** The links to the managed certificates, and what they lead to. */
function certPaths(): readonly string[] {
  const links = namesIn(certFolder).filter((name) => !name.startsWith('.')).map((name) => join(certFolder, name));
  return [certFolder, ...links.flatMap((link) => [link, join(link, 'cert.pem'), join(link, 'key.pem')])];
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (/^E(?:NOENT|NOTDIR|ACCES)$/.test(errorCode(error))) return [];
    throw error;
  }
}

/**
 * The boot of this host, by the mark that makeBootMark() left in the folder of the helper's socket, which is in memory. The kernel's boot id is no such mark: in
 * a container a sandboxed process may see another one than root does, and it stays when the container is started again.
 */
export function readBootMark(folder: string): string {
  try {
    return readFileSync(join(folder, 'boot'), 'utf8').trim();
  } catch (error) {
    if (/^E(?:NOENT|NOTDIR|ACCES)$/.test(errorCode(error))) return readBootId();
    throw error;
  }
}

/** Marks this boot where it is not marked yet, and answers the mark; the kernel's boot id where there is no such folder. */
export function makeBootMark(folder: string): string {
  if (!existsSync(folder)) return readBootId();
  const path = join(folder, 'boot');
  if (!existsSync(path)) writeWhole(path, `${randomUUID()}\n`, 0o644);
  return readBootMark(folder);
}

/** CLOCK_MONOTONIC, ms. Not /proc/uptime: what that shows in a container depends on who asks. */
export function readMonotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

function stampOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? '-' : [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
    })
    .join(' ');
}

/** The folders of everything that a file tells of. Those of keys and certificates come with the first of them. */
function watchedFolders({ policyPath, holdPath }: SystemHostOptions): readonly WatchedFolder<HostPart>[] {
  const among = (names: readonly string[]) => (name: string) => names.includes(name);
  return [
    { folder: '/etc', matters: among(accountFiles), part: 'accounts' },
    { folder: dirname(policyPath), matters: among([basename(policyPath)]), part: 'policy' },
    { folder: dirname(holdPath), matters: among([basename(holdPath)]), part: 'hold' },
    { folder: sshFolder, matters: among([basename(keyFolder), basename(dropInFolder)]), part: 'keys' },
    { folder: keyFolder, part: 'keys' },
    { folder: dropInFolder, matters: among([dropInFile]), part: 'keys' },
    { folder: dirname(certFolder), matters: among([basename(certFolder)]), part: 'certs' },
    { folder: certFolder, part: 'certs' },
    { folder: unitFolder, matters: (name) => name.startsWith(containerUnit), part: 'container' },
    ...siteWatches(siteFolders),
  ];
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
