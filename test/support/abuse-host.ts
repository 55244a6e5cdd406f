import { basename } from 'node:path';
import type { Lab, LabHost } from '../lab/lab.js';
import { debs, type PackageKind } from './packages.js';

/** Boots a host with the agent's packages and without a fleet: its helper waits behind the socket as on every managed host. */
export async function bootAgentHost(lab: Lab, name: string, kind: PackageKind = 'normal'): Promise<LabHost> {
  const files = await debs(kind);
  const host = await lab.boot(name);
  const paths = ['reeve-runtime', 'reeve-agent'].map((wanted) => files.get(wanted) ?? wanted);
  for (const path of paths) await host.put(path, `/root/${basename(path)}`);
  await host.run(['dpkg', '--install', ...paths.map((path) => `/root/${basename(path)}`)], { timeoutMs: 120_000 });
  return host;
}

/** Puts a policy in force: one of the presets by name, or a text. */
export async function setPolicy(host: LabHost, policy: string): Promise<void> {
  await host.write('/etc/reeve/policy', policy.includes('\n') ? policy : await host.read(`/usr/share/reeve/policy/${policy}`));
}

/** A policy that gives every verb, but only to names that begin with "ok-". */
export const onlyOkNames = [
  'version 1',
  'allow fact.read',
  'allow observe.user',
  ...['user.add', 'user.set', 'user.lock', 'user.unlock', 'user.remove', 'user.adopt', 'user.release'].map((operation) => `allow ${operation} name=ok-*`),
  'allow group.member name=ok-* group=users',
  '',
].join('\n');

/** Main process of a unit. */
export async function mainPid(host: LabHost, unit: string): Promise<number> {
  return Number(await host.run(['systemctl', 'show', '--value', '--property=MainPID', unit]));
}

/** Largest resident memory that the running processes of a program ever had, KiB; 0 when there is none. */
export async function peakMemory(host: LabHost, program: string): Promise<number> {
  const script = 'for s in /proc/[0-9]*/status; do awk -v want="$1" \'$1 == "Name:" { named = $2 == want } $1 == "VmHWM:" && named { print $2 }\' "$s" 2>/dev/null; done; true';
  const sizes = (await host.run(['/bin/sh', '-c', script, 'peak', program])).trim().split('\n').map(Number);
  return Math.max(0, ...sizes);
}
