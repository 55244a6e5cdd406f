import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change } from '../../shared/model/change.js';
import { formatKeyFile, ownsDropIn, withOwnExpiry } from '../../shared/model/key-file.js';
import type { Plan, Step } from '../engine/step.js';
import type { Deny } from '../user/plan.js';
import { encodeText } from './draft.js';
import type { ObservedKeys } from './observe.js';

/**
 * Lets go of all keys: the files stay, as plain configuration with their own expiries, and so does what makes sshd read them. Nobody loses access, now or when a
 * stamp would have ended.
 */
export function planKeyRelease({ observed, deny, hostName }: { readonly observed: ObservedKeys; readonly deny: Deny; readonly hostName: string }): Plan {
  const { files, sshd, stored, pending } = observed;
  const own = new Map(stored?.manifest?.users.map(({ user, lines }) => [user, lines]) ?? []);
  const managed = files.filter((file) => file.marked);
  const final = { undo: undefined, final: true, removesAccess: false } as const;
  const steps: Step[] = managed.map(({ user, lines }) => ({
    verb: 'key.release',
    request: { name: user, content: encodeText(formatKeyFile(withOwnExpiry(lines, own.get(user) ?? []), 'left')) },
    ...final,
  }));
  const told = ownsDropIn(files, sshd, stored !== undefined);
  if (told) steps.push({ verb: 'key.sshd', request: { action: 'release' }, ...final });
  if (stored !== undefined) steps.push({ verb: 'key.forget', request: {}, ...final });
  const asked: ErrorItem[] = [...(managed.length > 0 ? [deny('key.release', {})] : []), ...(told ? [deny('key.sshd', {})] : [])].flatMap((denied) => (denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }]));
  // Half of it would revert, and nobody would be there to see.
  if (sshd.dropIn === 'pending') asked.push({ code: 'CONFIRM_PENDING', fields: { host: hostName, noun: 'key', when: pending === undefined ? 'soon' : new Date(pending.deadlineMs).toISOString() } });
  const names = [...managed.map(({ user }) => user), ...(told ? ['sshd'] : [])];
  const changes = names.map((subject): Change => ({ kind: 'update', noun: 'key', subject, fields: [{ field: 'presence', from: 'present', to: 'released' }] }));
  return { steps, changes, problems: asked };
}
