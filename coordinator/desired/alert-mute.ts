import type { AlertKind } from '../../shared/model/alert.js';
import { formatHoldEnd, type Hold } from '../../shared/model/hold.js';
import { formatUtc } from '../../shared/model/time.js';
import type { CauseKey, MuteRow } from './alert.js';

/** Kinds that are expected of a host that somebody works on. */
const heldKinds: ReadonlySet<AlertKind> = new Set(['host-lost', 'reboot', 'pending', 'drift']);

/** Whether a mute is about an alert; `matches` says whether a selector names its host (for an alert of the coordinator: whether it is "all"). */
export function isMutedBy(alert: CauseKey, mute: Pick<MuteRow, 'selector' | 'kinds' | 'scope'>, matches: (of: Pick<MuteRow, 'selector' | 'scope'>, hostId: string | undefined) => boolean): boolean {
  return (mute.kinds.length === 0 || mute.kinds.includes(alert.kind)) && matches(mute, alert.hostId);
}

/** Why nobody is to be told of an alert now, by the mutes and holds that last; empty: somebody is. A hold of a whole host mutes what is expected of one that is worked on, one of a noun what that noun owes. */
export function muteReason(
  alert: CauseKey,
  by: { readonly mutes: readonly MuteRow[]; readonly holds: readonly Hold[]; readonly matches: (of: Pick<MuteRow, 'selector' | 'scope'>, hostId: string | undefined) => boolean },
): string {
  const mute = by.mutes.filter((one) => isMutedBy(alert, one, by.matches)).reduce<MuteRow | undefined>((best, one) => (best === undefined || one.untilMs > best.untilMs ? one : best), undefined);
  if (mute !== undefined) return `until ${formatUtc(mute.untilMs)} by ${mute.by}: ${mute.reason}`;
  const hold = heldKinds.has(alert.kind) ? by.holds.find(({ noun }) => noun === '' || ((alert.kind === 'pending' || alert.kind === 'drift') && noun === alert.subject)) : undefined;
  return hold === undefined ? '' : `held until ${formatHoldEnd(hold)} by ${hold.by}: ${hold.reason}`;
}
