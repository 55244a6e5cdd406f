import type { ErrorItem } from '../../shared/errors/error.js';
import type { KeyManifest } from '../../shared/model/manifest.js';
import type { Deny } from '../user/plan.js';

/** What the policy would not let be done of a manifest, as though nothing of it were there yet, and of taking it away again. */
export function keyRefusals(of: {
  readonly manifest: KeyManifest;
  readonly uids: ReadonlyMap<string, number>;
  readonly hostName: string;
  readonly deny: Deny;
  readonly bound: (user: string, rootKeys: 'yes' | 'no') => number;
}): readonly ErrorItem[] {
  const { manifest, uids, hostName, deny, bound } = of;
  const flagged = { purge: manifest.removed.some((row) => row.purge), end: manifest.removed.some((row) => row.endSessions) };
  const item = (denied: ReturnType<Deny>): ErrorItem[] => (denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }]);
  const perUser = [...uids.keys()].flatMap((name) => [...(flagged.purge ? item(deny('key.purge', { name })) : []), ...(flagged.end ? item(deny('session.end', { name })) : [])]);
  const puts = manifest.users.flatMap(({ user: name }) => {
    const rootKeys = uids.get(name) === 0 ? 'yes' : 'no';
    const denied = deny('key.put', { name, 'root-keys': rootKeys, 'max-stale': String(bound(name, rootKeys)) });
    const root: ErrorItem[] = denied?.verdict === 'none' && rootKeys === 'yes' ? [{ code: 'KEY_ROOT', fields: { host: hostName } }] : item(denied);
    return [...root, ...item(deny('key.remove', { name }))];
  });
  return [...puts, ...(manifest.users.length > 0 ? item(deny('key.sshd', {})) : []), ...perUser];
}
