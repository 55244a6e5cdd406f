import type { LabHost } from '../lab/lab.js';

/** Everything below some folders of a host: type, mode, owner, group, size, change of content, link target and sha256, one line each. */
export async function stateOf(host: LabHost, folders: readonly string[]): Promise<string> {
  const listed = await host.run(['find', ...folders, '-printf', '%p %y %m %U:%G %n %s %T@ %l\\n'], { timeoutMs: 120_000 });
  const sums = await host.run(['find', ...folders, '-type', 'f', '-exec', 'sha256sum', '--', '{}', '+'], { timeoutMs: 120_000 });
  return `${listed}${sums}`.split('\n').sort().join('\n');
}

/** Lines that only one of two states has; none when nothing changed. */
export function differences(before: string, after: string): readonly string[] {
  const [old, now] = [new Set(before.split('\n')), new Set(after.split('\n'))];
  return [...[...old].filter((line) => !now.has(line)).map((line) => `- ${line}`), ...[...now].filter((line) => !old.has(line)).map((line) => `+ ${line}`)];
}

/** What the helper may change at all: accounts, homes, what is ours, and all other settings beside them. */
export const helperReach = ['/etc', '/home', '/root', '/srv', '/var/mail', '/var/spool', '/var/lib/reeve-privd/owned'] as const;

/** Lines of the helper's audit log, rotated parts included. */
export async function auditLines(host: LabHost): Promise<readonly string[]> {
  const text = await host.run(['/bin/sh', '-c', 'cat /var/lib/reeve-privd/audit/audit.log* 2>/dev/null || true']);
  return text.split('\n').filter((line) => line !== '');
}
