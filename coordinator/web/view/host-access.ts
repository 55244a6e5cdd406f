import type { Access } from '../../../shared/gen/proto/reeve/coordinator/v1/Access.js';
import type { ManagedUser } from '../../../shared/gen/proto/reeve/coordinator/v1/ManagedUser.js';
import { html, type Html } from '../html.js';
import { hostLink, personLink } from './link.js';
import { table } from './table.js';
import { badge, cut, shown, time } from './text.js';

/** Ways in on one page; who needs more asks `reeve access`. */
const mostRows = 500;

/** Whether a host has been told, in a badge. */
export function told(pending: boolean, reason = ''): Html {
  return pending ? html`${badge('pending', 'warn')} ${cut(reason, 300)}` : badge('told', 'good');
}

/** The users of a host as they should be. */
export function userTable(users: readonly ManagedUser[]): Html {
  return table({
    caption: 'Users that Reeve manages',
    quiet: true,
    columns: [{ title: 'User' }, { title: 'Uid', figure: true }, { title: 'Kind' }, { title: 'Shell' }, { title: 'Comment' }, { title: 'Groups' }, { title: 'Host is' }],
    rows: users.map(({ user, observedUid, pending, pendingReason }) => ({
      key: user?.name ?? '',
      cells: [
        shown(user?.name ?? ''),
        observedUid === 0 ? '–' : String(observedUid),
        `${shown(user?.kind ?? '').replace('USER_KIND_', '').toLowerCase()}${user?.presence === 'USER_PRESENCE_LOCKED' ? ', locked' : ''}`,
        html`<span class="mono">${cut(user?.shell ?? '', 100)}</span>`,
        cut(user?.comment ?? '', 100),
        cut(user?.groups.join(', ') ?? '', 200),
        told(pending, pendingReason),
      ],
    })),
    empty: 'Reeve manages no users here.',
  });
}

/** Ways in: to one host, or of one person. */
export function accessTable(access: readonly Access[], view: { readonly base: string; readonly now: number; readonly by: 'host' | 'person' }): Html {
  const { base, now } = view;
  const more = access.length - mostRows;
  const who = (way: Access): Html => (view.by === 'host' ? personLink(base, way.person) : hostLink(base, way.host));
  return html`${table({
    caption: view.by === 'host' ? 'Keys that get in here' : 'Where their keys get in',
    quiet: true,
    columns: [{ title: view.by === 'host' ? 'Person' : 'Host' }, { title: 'User' }, { title: 'Because of' }, { title: 'Key' }, { title: 'Since' }, { title: 'Until' }, { title: 'Host is' }],
    rows: access.slice(0, mostRows).map((way) => ({
      key: `${way.host} ${way.user} ${way.key}`,
      cells: [
        who(way),
        cut(way.user, 100),
        cut(way.why, 300),
        html`<span class="mono">${cut(way.key, 100)}</span>`,
        time(way.since, now),
        way.expiresAt === null ? 'no end' : time(way.expiresAt, now),
        told(way.pending),
      ],
    })),
    empty: view.by === 'host' ? 'No key gets in here by Reeve.' : 'Their keys get in nowhere.',
  })}${more > 0 && html`<p>And ${more.toLocaleString('en')} more.</p>`}`;
}
