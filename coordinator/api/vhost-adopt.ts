import { ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { AdoptVhostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AdoptVhostRequest.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ExamineSiteRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ExamineSiteRequest.js';
import type { ExamineSiteResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ExamineSiteResponse.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { parseVhostUsers } from '../../shared/model/vhost-user.js';
import { formatVhost, parseVhostDraft } from '../../shared/model/vhost.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { adoptSites, type Adoptable } from '../desired/vhost-adopt.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { addVhost, removeVhost, vhostsOf } from '../inventory/vhost.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { changeableHost, hostFor, type Scoped } from './select.js';
import { requireStorable, runVhost } from './vhost-change.js';
import { agentVhosts, requireFront, withoutHashes } from './vhost-show.js';
import { resolveRoutes } from './vhost-upstream.js';

/** What is asked of a file. */
type Asked = Pick<AdoptVhostRequest, 'file' | 'without' | 'cert' | 'users'>;

/** What a host tells of a file is cut to this. */
const most = { directives: 5_000, words: 64, text: 4_096 } as const;

/** What a file of a host comes to. Errors: HOST_UNREACHABLE, VHOST_FOREIGN_FILE, what the agent says; FIELD_INVALID for lines that nothing has to be given up of. */
async function examine(office: Office, caller: Scoped, host: HostRow, asked: Asked): Promise<Adoptable & { readonly sha256: string }> {
  const users = parseVhostUsers('users', asked.users);
  requireFront(office, host);
  const { directives, sha256 } = await office.fleet.call(host, agentVhosts, 'ReadSite', { file: parseFile(asked.file) }, { deadlineMs: 20_000 });
  const told = directives.slice(0, most.directives).map(({ line, depth, words, block }) => ({ line, depth: Math.min(depth, 64), words: words.slice(0, most.words).map((word) => word.slice(0, most.text)), block }));
  const found = adoptSites(told, { cert: asked.cert === '' ? undefined : asked.cert, users, isHost: (name) => isHost(office.db, caller, name) });
  const needless = asked.without.find((line) => !found.misfits.some((misfit) => misfit.matters && misfit.line === line));
  if (needless !== undefined) throw fieldInvalid('without', String(needless), 'a line of the file that does not fit, and matters');
  return { ...found, sha256: sha256.toString('hex') };
}

/** The path of a file; which ones there are is for the host to say. Errors: FIELD_INVALID. */
function parseFile(text: string): string {
  if (!/^\/[!-~]{1,1023}$/.test(text) || /\/\.{0,2}(?:\/|$)/.test(text)) throw fieldInvalid('file', text, 'the absolute path of a file, in its shortest form');
  return text;
}

function isHost(db: Database, caller: Scoped, name: string): boolean {
  try {
    hostFor(db, caller, name);
    return true;
  } catch (error) {
    if (error instanceof ReeveError) return false;
    throw error;
  }
}

/** What adoptVhost would make of a file, and what does not fit. */
export async function examineSite(office: Office, caller: Scoped, request: ExamineSiteRequest): Promise<ExamineSiteResponseInput> {
  const host = hostFor(office.db, caller, request.host);
  const { sites, misfits } = await examine(office, caller, host, request);
  return {
    vhosts: sites.map((site) => withoutHashes(formatVhost(site))),
    misfits: misfits.map((misfit) => ({ ...misfit, givenUp: request.without.includes(misfit.line) })),
  };
}

/** Takes over the sites of a file of somebody else. Errors: VHOST_ADOPT with all that does not fit and was not named, or when nothing fits. */
export async function* adoptVhost(office: Office, context: CallContext<OperatorCaller>, request: AdoptVhostRequest): AsyncGenerator<ChangeEventInput> {
  const { db, clock } = office;
  const { principal } = context;
  const host = changeableHost(db, principal, request.host);
  const { file, without, cert, users, acceptDifferences } = request;
  const { sites, misfits, sha256 } = await examine(office, principal, host, request);
  const refused = (rule: string): ErrorItem => ({ code: 'VHOST_ADOPT', fields: { host: host.name, value: file, rule } });
  const problems = misfits.filter(({ line, matters }) => matters && !without.includes(line)).map(({ line, text, reason }) => refused(`line ${String(line)}: ${text} ${reason}`.slice(0, 512)));
  const lines = [...new Set(misfits.filter(({ line, matters }) => matters && !without.includes(line)).map(({ line }) => line))];
  if (problems.length > 0) throw new ReeveError([...problems.slice(0, 99), refused(`to take over the rest, give up what does not fit: --without ${[...without, ...lines].join(',')}`)]);
  if (sites.length === 0) throw new ReeveError([refused('it has no site that fits')]);
  yield* runVhost(office, context, {
    host,
    verb: 'adopt',
    subject: file,
    detail: { file, without, cert, users, acceptDifferences, sha256 },
    options: request.options,
    edit: (_db, generation) => {
      requireNoOther(db, host, file);
      // Given again, as after one that the host refused.
      for (const row of vhostsOf(db, host.id).rows) if (row.takeOver?.file === file) removeVhost(db, row);
      for (const found of sites) {
        const wire = formatVhost(found);
        const site = parseVhostDraft({ ...wire, routes: resolveRoutes(db, principal, host, wire.routes) });
        requireStorable(db, host, site);
        addVhost(db, site, { hostId: host.id, takeOver: { file, acceptDifferences }, by: principal.account, now: clock.now(), generation });
      }
      return true;
    },
  });
}

/** One file is taken over at a time. Errors: VHOST_ADOPT. */
function requireNoOther(db: Database, host: HostRow, file: string): void {
  const other = vhostsOf(db, host.id).rows.find(({ takeOver }) => takeOver !== undefined && takeOver.file !== file)?.takeOver?.file;
  if (other !== undefined) throw reeveError('VHOST_ADOPT', { host: host.name, value: file, rule: `${other} is still to be taken over first; see: reeve pending` });
}
