import type { GetHostResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/GetHostResponse.js';
import type { Health } from '../../../shared/gen/proto/reeve/coordinator/v1/Health.js';
import type { Operation } from '../../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import { html, type Html, type HtmlPart } from '../html.js';
import type { Page, PageApi } from '../page.js';
import { fromHost, optional, unasked } from './ask.js';
import { backupTable } from './backup.js';
import { certTable } from './cert.js';
import { containerTable, natTable, vhostTable } from './host-noun.js';
import { accessTable, userTable } from './host-access.js';
import { factSection } from './host-fact.js';
import { hostState, openWork } from './host-state.js';
import { hostLink, jump, labelLinks, personLink } from './link.js';
import { operationTable } from './outcome.js';
import { services } from './service.js';
import { facts, section, table } from './table.js';
import { badge, cut, part, queryOf, severity, shown, time } from './text.js';

/** Everything about one host. */
export const hostPage: Page = {
  path: '/host/:name',
  async load(api, { base, now, params }) {
    const known = await api.unary(services.host, 'GetHost', { name: params['name'] ?? '' });
    const name = known.host?.name ?? '';
    const main = renderHost({ base, now, known, ...(await loadHost(api, name)) });
    return { kind: 'html', title: name, main };
  },
};

/** What the page asks beside the host itself; all at once. What the host is asked for keeps nobody waiting for long. */
async function loadHost(api: PageApi, name: string) {
  const [overview, history, users, access, sites, forwards, counted, containers, backups, certs, operations] = await Promise.all([
    optional(api.unary(services.fleet, 'GetOverview', { host: name, limit: 100 })),
    optional(api.unary(services.metric, 'GetHistory', { host: name })),
    optional(api.unary(services.user, 'ListUser', { selector: name })),
    optional(api.unary(services.access, 'ListAccess', { host: name })),
    optional(api.unary(services.vhost, 'ListVhosts', { selector: name })),
    optional(api.unary(services.nat, 'ListNat', { selector: name })),
    fromHost(api.unary(services.nat, 'ObserveNat', { host: name })),
    fromHost(api.unary(services.container, 'ListContainers', { selector: name })),
    optional(api.unary(services.backup, 'ListBackups', { selector: name })),
    optional(api.unary(services.cert, 'ListCerts', { selector: name })),
    optional(api.unary(services.operation, 'ListOperation', { host: name, limit: 10 })),
  ]);
  // Where the host does not answer, what it should have is shown.
  const stored = containers.value === undefined ? await optional(api.unary(services.container, 'ListContainers', { selector: name, stored: true })) : undefined;
  return { overview, history, users, access, sites, forwards, counted, containers, stored, backups, certs, operations };
}

/** What the page shows. */
export type HostView = Awaited<ReturnType<typeof loadHost>> & { readonly base: string; readonly now: number; readonly known: GetHostResponse };

const parts = [
  ['facts', 'Facts'], ['agent', 'Agent and policy'], ['users', 'Users'], ['keys', 'Keys'], ['sites', 'Sites'], ['nat', 'Port forwards'], ['containers', 'Containers'], ['backups', 'Backups'],
  ['certs', 'Certificates'], ['drift', 'Drift'], ['operations', 'Operations'],
] as const;

/** The whole page. */
export function renderHost(view: HostView): Html {
  const { base, now, known } = view;
  const { host } = known;
  if (host === null) return html`<h1>No such host</h1>`;
  const health = view.overview.value?.health ?? [];
  return html`<div data-every="5000"><h1>${shown(host.name)}</h1>
${head(view)}
${jump(parts)}
${health.length > 0 && section('health', 'What is wrong', healthTable(health, now))}
${section('facts', 'Facts, as the host says', factSection(known.facts, known.factsLossy, view.history, now))}
${section('agent', 'Agent and policy', agent(known, now))}
${section('users', 'Users', or(view.users, ({ users }) => userTable(users)))}
${section('keys', 'Keys that get in, and why', or(view.access, ({ access }) => accessTable(access, { base, now, by: 'host' })))}
${section('sites', 'Sites', or(view.sites, ({ rows }) => vhostTable(rows)))}
${section('nat', 'Port forwards and masquerading', or(view.forwards, ({ rows }) => natTable(rows, view.counted, { base, now })))}
${section('containers', 'Containers', containers(view))}
${section('backups', 'Backups from here and to here', or(view.backups, ({ rows }) => backupTable(rows, { base, now, caption: 'Backups' })))}
${section('certs', 'Certificates', or(view.certs, ({ rows }) => certTable(rows, { base, now, host: false })))}
${section('drift', 'Drift', drift(view))}
${section('operations', 'Last operations', html`${or(view.operations, (answer) => lastOperations(answer.operations, view))}<p><a href="${base}/operation${queryOf({ host: host.name })}">All operations on this host</a></p>`)}
</div>`;
}

function or<T>(asked: { readonly value: T; readonly problem?: undefined } | { readonly value?: undefined; readonly problem: string }, render: (value: T) => Html): Html {
  return asked.problem === undefined ? render(asked.value) : unasked(asked.problem);
}

function head({ base, now, known: { host, children } }: HostView): HtmlPart {
  if (host === null) return '';
  return html`<p>${hostState(host.state)} ${host.health !== '' && severity(host.health)} ${openWork(host)}</p>
${host.lostReason !== '' && html`<p class="note bad">It cannot be reached: ${cut(host.lostReason, 1000)}</p>`}
${host.quarantine !== '' && html`<p class="note bad">Two machines have its identity: ${cut(host.quarantine, 1000)}</p>`}
${host.holds.map((hold) => html`<p class="note">${hold.noun === '' ? 'The host' : html`Noun ${shown(hold.noun)}`} is held ${hold.until === null ? 'until somebody ends it' : html`until ${time(hold.until, now)}`} by ${cut(hold.by, 255)}${hold.local && ' (set on the host)'}: ${cut(hold.reason, 200)}</p>`)}
${facts([
  ['Address', html`<span class="mono">${cut(host.address, 100)}</span>`],
  ['Labels', labelLinks(base, host.labels)],
  ...(host.parent === '' ? [] : [['Lives on', hostLink(base, host.parent)] as const]),
  ...(children.length === 0 ? [] : [['Guests', html`${children.slice(0, 100).map((child, at) => html`${at > 0 && ', '}${hostLink(base, child)}`)}${children.length > 100 && ` and ${String(children.length - 100)} more`}`] as const]),
  ...(host.owners.length === 0 ? [] : [['Owners', html`${host.owners.map((owner, at) => html`${at > 0 && ', '}${personLink(base, owner)}`)}`] as const]),
  ['Last heard of', time(host.lastSeenAt, now, 'never')],
  ['Joined', time(host.joinedAt, now, 'not yet')],
  ['Reached', host.link === 'HOST_LINK_PARENT' ? 'through its parent' : host.link === 'HOST_LINK_DIAL_OUT' ? 'it dials out' : 'directly'],
])}`;
}

function healthTable(health: readonly Health[], now: number): Html {
  return table({
    caption: 'What is wrong with this host',
    quiet: true,
    columns: [{ title: 'What' }, { title: 'How bad' }, { title: 'What it means, and what to do' }, { title: 'Since' }],
    rows: health.map((item) => ({ key: `${item.code} ${item.title}`, cells: [shown(item.title), severity(item.severity), html`<span class="prose">${cut(item.text, 1000)}</span>`, time(item.since, now)] })),
    empty: '',
  });
}

function agent({ host, status }: GetHostResponse, now: number): Html {
  const word = (text: string): Html => badge(text === '' ? 'not known' : text.slice(0, 100), text === 'ok' ? 'good' : text === '' ? 'plain' : 'bad');
  if (status === null) return facts([['Version', cut(host?.agentVersion ?? '', 60)], ['Certificate ends', time(host?.certificateNotAfter, now)]]);
  return facts([
    ['Version', cut(status.agentVersion, 60)],
    ['Certificate ends', time(status.certificateNotAfter, now)],
    ['Policy', html`${word(status.policyState)} ${cut(status.policyReason, 500)}`],
    ['Policy, sha256', html`<span class="mono">${status.policyDigest.length === 0 ? '–' : Buffer.from(status.policyDigest).toString('hex')}</span>`],
    ['Helper', html`${word(status.helperState)} ${cut(status.helperVersion, 60)}`],
    ['Audit of the host', html`${word(status.auditState)} ${status.auditSeq} records`],
    ['Begun and not ended', String(status.openOperations)],
    ...(status.pendingChange === '' ? [] : [['Reverts by itself', cut(status.pendingChange, 500)] as const]),
    ...(status.upgrade === '' ? [] : [['Upgrade', cut(status.upgrade, 500)] as const]),
    ...(status.renewalProblem === '' ? [] : [['Renewal failed', cut(status.renewalProblem, 500)] as const]),
    ['Where Reeve writes', html`${status.volumes.map((volume) => html`${cut(volume.path, 200)} ${word(volume.state)} `)}`],
    ['Kernel protection', status.privileges === null ? 'not known' : `Landlock ${String(status.privileges.landlockAbi)}, seccomp ${status.privileges.seccomp ? 'yes' : 'no'}`],
  ]);
}

function containers({ base, containers: now, stored }: HostView): Html {
  if (now.value !== undefined) {
    const { rows, problems } = now.value;
    return html`${problems.map(({ reason }) => unasked(reason))}${containerTable(rows, base)}`;
  }
  return html`${unasked(now.problem)}${stored?.value !== undefined && containerTable(stored.value.rows, base)}`;
}

function drift({ base, known: { host } }: HostView): Html {
  const nouns = host?.drifted ?? [];
  const what = nouns.length === 0 ? html`<p>As far as is known, all is as it was applied.</p>` : html`<p>Not as it was applied: ${nouns.map((noun) => html`${badge(noun, 'warn')} `)}</p>`;
  return html`${what}<p><a href="${base}/host/${part(host?.name ?? '')}/drift">What an apply would change now</a> (asks the host)</p>`;
}

function lastOperations(operations: readonly Operation[], { base, now }: HostView): Html {
  return operationTable(operations, { base, now, caption: 'Last operations on this host', empty: 'Nothing was asked of this host yet.', quiet: true });
}
