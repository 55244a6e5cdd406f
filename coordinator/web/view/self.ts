import type { Access } from '../../../shared/gen/proto/reeve/coordinator/v1/Access.js';
import type { GetSelfResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/GetSelfResponse.js';
import type { Key } from '../../../shared/gen/proto/reeve/coordinator/v1/Key.js';
import { html, type Html } from '../html.js';
import { facts, section, table } from './table.js';
import { shown, time, timeMs } from './text.js';

/** Lines of the list of ways in; a person with a grant to everything has one for each user of each host. */
const mostAccess = 500;

/** What somebody's own page shows. */
export interface SelfView {
  readonly base: string;
  readonly self: GetSelfResponse;
  /** Unix ms. */
  readonly now: number;
  /** What was done just now. */
  readonly done: 'added' | 'removed' | undefined;
  /** Why a key was not added or removed, and what was typed. */
  readonly problem: { readonly text: string; readonly key: string } | undefined;
}

const doneText = {
  added: 'The key was added. Hosts are told at once; those that cannot be reached now are told when they can.',
  removed: 'The key was removed. Hosts are told at once; those that cannot be reached now are told when they can.',
} as const;

/** Who one is, one's own keys, and where they get in. */
export function renderSelf(view: SelfView): Html {
  const { self, now, done, problem } = view;
  return html`<h1>${shown(self.name)}</h1>
${done !== undefined && html`<p class="done" role="status">${doneText[done]}</p>`}
${problem !== undefined && html`<p class="problem" role="alert" id="problem">${shown(problem.text)}</p>`}
${facts([
  ['Role', self.role === '' ? 'none: you see yourself only' : self.role],
  ...(self.labels.length === 0 ? [] : [['Sees hosts with', shown(self.labels.join(' or '))] as const]),
  ['Logged in until', time(self.endsAt, now)],
])}
${self.person ? html`${section('keys', 'Your keys', keyTable(view))}
${section('add', 'Add a key', addForm(view))}
${section('access', 'Where they get in', accessTable(self.access, now))}` : html`<p>There is no person of this name, so there are no keys of yours to look after.</p>`}
`;
}

function keyTable({ base, self, now }: SelfView): Html {
  const remove = (key: Key): Html => html`<form method="post" action="${base}/self/key/remove">
<input type="hidden" name="form_token" value="${self.formToken}"><input type="hidden" name="fingerprint" value="${key.fingerprint}">
<button type="submit" aria-label="Remove the key ${shown(key.comment === '' ? key.fingerprint : key.comment)}">Remove</button></form>`;
  return table({
    caption: 'Your keys',
    columns: [{ title: 'Fingerprint' }, { title: 'Type' }, { title: 'Comment' }, { title: 'Good until' }, { title: 'Remove' }],
    rows: self.keys.map((key) => ({
      key: key.fingerprint,
      cells: [html`<code>${shown(key.fingerprint)}</code>`, shown(key.key?.type ?? ''), shown(key.comment), timeMs(key.options?.expiresAt) === undefined ? 'always' : time(key.options?.expiresAt, now), remove(key)],
    })),
    empty: 'You have no keys.',
    quiet: true,
  });
}

function addForm({ base, self, problem }: SelfView): Html {
  return html`<form method="post" action="${base}/self/key/add"${problem !== undefined && html` aria-describedby="problem"`}>
<input type="hidden" name="form_token" value="${self.formToken}">
<p><label for="key">The line of the public key, as it is in a file that ends in .pub</label>
<textarea id="key" name="key" rows="4" cols="80" maxlength="12000" spellcheck="false" autocapitalize="none" autocomplete="off" required>
${shown(problem?.key ?? '')}</textarea></p>
<p><button type="submit">Add the key</button></p>
</form>`;
}

function accessTable(access: readonly Access[], now: number): Html {
  const rows = access.slice(0, mostAccess).map((way) => ({
    key: `${way.host} ${way.user} ${way.key}`,
    cells: [shown(way.host), shown(way.user), html`<code>${shown(way.key)}</code>`, shown(way.why), way.expiresAt === null ? 'always' : time(way.expiresAt, now), way.pending ? 'not yet told' : 'told'],
  }));
  const more = access.length - rows.length;
  const columns = ['Host', 'User', 'Key', 'Because of', 'Until', 'Host is'].map((title) => ({ title }));
  return html`${table({ caption: 'Where your keys get in', columns, rows, empty: 'Your keys get in nowhere.', quiet: true })}${more > 0 && html`<p>And ${more} more.</p>`}`;
}
