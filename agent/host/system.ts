import { constants, lstatSync, statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { sha256 } from '../../shared/kit/digest.js';
import { systemClock } from '../../shared/kit/clock.js';
import type { Logger } from '../../shared/kit/log.js';
import { policyMaxBytes } from '../../shared/gen/privd.js';
import { createFactReader, readBootId } from './facts.js';
import { readCapped } from './file.js';
import type { AccountFiles, Host, HostPart, PolicyFault, PolicyFile } from './host.js';
import { createPrivdClient } from './privd.js';

/** Longest answer of the helper: removing a user waits for its processes, ms. */
const helperTimeoutMs = 120_000;

/** Largest account file that is read, bytes. */
const accountBytes = 4 * 1024 * 1024;

/** The files whose touch means that accounts may have changed. Only their metadata is read of the two secret ones. */
const accountFiles = ['passwd', 'shadow', 'group', 'gshadow'] as const;

/** Where the parts of the host are. */
export interface SystemHostOptions {
  readonly policyPath: string;
  readonly helperSocket: string;
  /** Who may own the policy file; root, and in development whoever runs the agent. */
  readonly policyOwners: readonly number[];
  readonly log: Logger;
}

/** The machine this runs on. Close it. */
export function createSystemHost(options: SystemHostOptions): Host & { close(): void } {
  const helper = createPrivdClient({ socketPath: options.helperSocket, timeoutMs: helperTimeoutMs });
  const facts = createFactReader();
  const bootId = readBootId();
  return {
    clock: systemClock,
    helper,
    readPolicy: () => readPolicyFile(options.policyPath, options.policyOwners),
    readAccounts,
    homeExists: (name) => lstatSync(`/home/${name}`, { throwIfNoEntry: false }) !== undefined,
    readFacts: () => facts.read(systemClock.now()),
    bootId: () => bootId,
    stamp: (part) => (part === 'policy' ? stampOf([options.policyPath]) : stampOf(accountFiles.map((name) => `/etc/${name}`))),
    watch: (onTouched) => watchFolders(options, onTouched),
    close: () => helper.close(),
  };
}

/** Reads the policy as the helper does, with the same reasons (R31). */
export function readPolicyFile(path: string, owners: readonly number[]): PolicyFile {
  const fault = (kind: PolicyFault, reason: string): PolicyFile => ({ kind: 'fault', fault: kind, reason });
  try {
    const file = readCapped(path, policyMaxBytes, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (file === undefined) return fault('size', 'the policy file is larger than 65536 bytes');
    if (!file.regular) return fault('type', 'the policy is not a regular file');
    if (!owners.includes(file.uid)) return fault('owner', 'the policy file does not belong to root');
    if ((file.mode & 0o022) !== 0) return fault('mode', 'others than root can write the policy file');
    const folder = statSync(dirname(path));
    if (!owners.includes(folder.uid) || (folder.mode & 0o022) !== 0) return fault('mode', 'others than root can write the folder of the policy file');
    return { kind: 'text', text: file.bytes.toString('utf8'), digest: sha256(file.bytes) };
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return fault('missing', 'the policy file does not exist');
    if (code === 'ELOOP' || code === 'ENXIO') return fault('type', 'the policy is not a regular file');
    return fault('unreadable', 'the policy file cannot be opened');
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

function stampOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      return stat === undefined ? '-' : [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
    })
    .join(' ');
}

function watchFolders(options: SystemHostOptions, onTouched: (part: HostPart) => void): { close(): void } {
  const watchers: FSWatcher[] = [];
  const watchFolder = (folder: string, names: readonly string[], part: HostPart): void => {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || names.includes(name)) onTouched(part);
      });
      watcher.on('error', (error) => options.log.warn({ err: error, folder }, 'a folder cannot be watched any more; it is looked at every 5 minutes'));
      watchers.push(watcher);
    } catch (error) {
      options.log.warn({ err: error, folder }, 'a folder cannot be watched; it is looked at every 5 minutes');
    }
  };
  watchFolder('/etc', accountFiles, 'accounts');
  watchFolder(dirname(options.policyPath), [basename(options.policyPath)], 'policy');
  return {
    close() {
      for (const watcher of watchers) watcher.close();
    },
  };
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
