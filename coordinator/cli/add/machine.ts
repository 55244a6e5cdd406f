import { reeveError } from '../../../shared/errors/error.js';
import { hasUnsafeCharacter } from '../../../shared/model/vis.js';
import { looking, presets, type Preset } from '../ssh/command.js';
import type { Root } from '../ssh/root.js';

/** What a machine is, before anything was done to it. All of it is what the machine says: data, never an argument. */
export interface Machine {
  /** Debian's name. */
  readonly architecture: string;
  /** Version of the agent that is wholly installed; undefined: it is not. */
  readonly installed: string | undefined;
  /** The identity it has joined with; undefined: none. */
  readonly identity: { readonly fleetId: string; readonly hostId: string; readonly hostName: string } | undefined;
  /** `absent`, the preset that its policy is, or `edited`. */
  readonly policy: Preset | 'absent' | 'edited';
  /** Whether the agent's service runs. */
  readonly active: boolean;
}

/** Free space that installing needs, KiB: the unpacked packages below /usr, the uploaded ones and the agent's state below /var. */
const neededKib = { '/usr': 200 * 1024, '/var': 100 * 1024 } as const;

/** The oldest C library that the runtime runs on. */
const oldestLibc = { major: 2, minor: 28 };

/** Looks at a machine. Errors: HOST_UNSUITABLE with everything that is wrong, and those of the session. */
export async function lookAtMachine(root: Root, host: string): Promise<Machine> {
  const [os, architecture, libc, systemd, disk, installed] = await Promise.all(
    [looking.os, looking.architecture, looking.libc, looking.systemd, looking.disk, looking.installed].map(async (command) => (await root.run(command)).stdout),
  );
  const wrong = [
    ...osProblems(os ?? ''),
    ...(systemd?.trim() === '/run/systemd/system' ? [] : ['systemd does not run there']),
    ...libcProblems(libc ?? ''),
    ...diskProblems(disk ?? ''),
  ];
  const name = architecture?.trim() ?? '';
  if (!/^[a-z0-9-]{1,32}$/.test(name)) wrong.push('dpkg does not say what architecture it has');
  if (wrong.length > 0) throw reeveError('HOST_UNSUITABLE', { host, rule: wrong.join('; ') });
  return { architecture: name, installed: installedVersion(installed ?? ''), ...(await lookAtAgent(root)) };
}

/** The part that installing and joining alter. */
export async function lookAtAgent(root: Root): Promise<Pick<Machine, 'identity' | 'policy' | 'active'>> {
  const [identity, policy, active] = await Promise.all([looking.identity, looking.policy, looking.active].map(async (command) => (await root.run(command)).stdout));
  return { identity: parseIdentity(identity ?? ''), policy: parsePolicyDigests(policy ?? ''), active: active?.trim() === 'active' };
}

function osProblems(text: string): string[] {
  const value = (key: string): string => new RegExp(`^${key}="?([a-z0-9. _-]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const family = `${value('ID')} ${value('ID_LIKE')}`.split(' ');
  return family.includes('debian') ? [] : [`it is not of the Debian family (os-release says "${value('ID')}")`];
}

function libcProblems(text: string): string[] {
  const [, major, minor] = /^glibc ([0-9]{1,3})\.([0-9]{1,3})/.exec(text.trim()) ?? [];
  if (major === undefined || minor === undefined) return ['its C library is not glibc'];
  const fits = Number(major) > oldestLibc.major || (Number(major) === oldestLibc.major && Number(minor) >= oldestLibc.minor);
  return fits ? [] : [`its C library is ${major}.${minor}, wanted ${String(oldestLibc.major)}.${String(oldestLibc.minor)} or newer`];
}

/** Reads `df -Pk /usr /var`: one line each, in this order. Both on one file system need the space of both. */
function diskProblems(text: string): string[] {
  const rows = text.trim().split('\n').slice(1).map((line) => /\s(\d+)\s+\d+%\s+(\/.*)$/.exec(line));
  const [usr, varRow] = rows;
  if (usr?.[1] === undefined || varRow?.[1] === undefined) return ['df does not say how much space is free'];
  const same = usr[2] === varRow[2];
  const short = (folder: string, free: string, needed: number): string[] =>
    Number(free) >= needed ? [] : [`${folder} has ${String(Math.floor(Number(free) / 1024))} MiB free, wanted ${String(needed / 1024)}`];
  if (same) return short('its disk', usr[1], neededKib['/usr'] + neededKib['/var']);
  return [...short('/usr', usr[1], neededKib['/usr']), ...short('/var', varRow[1], neededKib['/var'])];
}

/** The version of reeve-agent when both packages are installed whole, from `dpkg --status`. */
export function installedVersion(text: string): string | undefined {
  const whole = text.split(/\n(?=Package: )/).filter((part) => /^Status: \S+ ok installed$/m.test(part));
  const versionOf = (name: string): string | undefined => whole.find((part) => part.startsWith(`Package: ${name}\n`))?.match(/^Version: ([A-Za-z0-9.+~:-]{1,64})$/m)?.[1];
  return versionOf('reeve-runtime') === undefined ? undefined : versionOf('reeve-agent');
}

function parseIdentity(text: string): Machine['identity'] {
  try {
    const about = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const word = (key: string): string => {
      const value = about[key];
      return typeof value === 'string' && value.length <= 253 && !hasUnsafeCharacter(value) ? value : '';
    };
    return { fleetId: word('fleetId'), hostId: word('hostId'), hostName: word('hostName') };
  } catch {
    return undefined;
  }
}

function parsePolicyDigests(text: string): Machine['policy'] {
  const digests = new Map([...text.matchAll(/^([0-9a-f]{64}) [ *](\/\S+)$/gm)].map(([, digest = '', path = '']) => [path, digest]));
  const mine = digests.get('/etc/reeve/policy');
  if (mine === undefined) return 'absent';
  return presets.find((preset) => digests.get(`/usr/share/reeve/policy/${preset}`) === mine) ?? 'edited';
}
