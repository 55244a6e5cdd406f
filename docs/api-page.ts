import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { backupService as agentBackups } from '../agent/backup/service.js';
import { certService as agentCerts } from '../agent/cert/service.js';
import { containerService as agentContainers } from '../agent/container/service.js';
import { factService } from '../agent/fact/service.js';
import { keyService as agentKeys } from '../agent/key/service.js';
import { natService as agentNat } from '../agent/nat/service.js';
import { operationService as agentOperations } from '../agent/operation/service.js';
import { reachService } from '../agent/reach/service.js';
import { relayService } from '../agent/relay/service.js';
import { releaseService } from '../agent/release/service.js';
import { statusService } from '../agent/status/service.js';
import { unitService as agentUnits } from '../agent/unit/service.js';
import { userService as agentUsers } from '../agent/user/service.js';
import { vhostService as agentVhosts } from '../agent/vhost/service.js';
import { enrolService } from '../coordinator/api/enrol.js';
import { identityService } from '../coordinator/api/identity.js';
import { linkService } from '../coordinator/api/link.js';
import { manifestService } from '../coordinator/api/manifest.js';
import { operatorServices } from '../coordinator/api/server.js';
import type { Office } from '../coordinator/office.js';
import type { MethodRow, Service } from '../shared/rpc/server.js';

/** Services that one program serves at one door. */
export interface Door {
  readonly title: string;
  readonly about: string;
  readonly services: readonly Service<never>[];
}

/** Where rows come from. Handlers are never run here, so there is nothing for them to work on. */
function rowsOnly(make: (options: never) => Service<never>): Service<never> {
  return make({} as never);
}

/** Every service of the contract, by the door it is behind. */
export function doors(): readonly Door[] {
  const unused = (): never => {
    throw new Error('handlers are not run here');
  };
  return [
    {
      title: 'Agents, port 7420',
      about: 'TLS 1.3 with the certificate of the coordinator. Called by the coordinator only.',
      services: [agentBackups, agentCerts, agentContainers, factService, agentKeys, agentNat, agentOperations, reachService, relayService, releaseService, statusService, agentUnits, agentUsers, agentVhosts].map((make) => rowsOnly(make)),
    },
    {
      title: 'Coordinator for agents, port 7421',
      about: 'TLS 1.3 with the certificate of an agent. Who asks is known from the key; no request names a host.',
      services: [rowsOnly((office: Office) => identityService(office)), rowsOnly((office: Office) => linkService(office)), rowsOnly((office: Office) => manifestService(office))],
    },
    {
      title: 'Coordinator for enrolment, port 7422',
      about: 'TLS 1.3 without a client certificate: the caller has none yet, or it has expired.',
      services: [rowsOnly((office: Office) => enrolService(office))],
    },
    {
      title: 'Coordinator for operators, /run/reeved/api.sock and port 7423',
      about: 'A unix socket that every local account may open: the kernel says who it is, the inventory what it may do. From other machines port 7423, TLS 1.3 with the certificate of an operator: the same services and the same rows.',
      services: operatorServices({ office: unused, init: unused, stateDir: '', packageDir: '' }),
    },
  ];
}

/** docs/api.md: every method, who may call it and how much. */
export function renderApiPage(): string {
  return [
    '# API',
    '',
    'Every method of Reeve, from the tables by which the programs themselves decide; a method that is in no table is not served. Requests, answers and errors',
    'are described in `proto/`. Rate: calls a second of one caller, and how many at once after a pause. Size: of the request, bytes. A stream has no deadline:',
    'it lives until its caller goes or may not have it any more. For an operator with a scope, hosts outside it do not exist; what is "of the whole fleet" is refused.',
    '',
    'This page is generated from `proto/` and the access tables by `docs/generate.ts`.',
    '',
    ...doors().flatMap((door) => [`## ${door.title}`, '', door.about, '', ...door.services.flatMap(renderService)]),
  ].join('\n');
}

function renderService(service: Service<never>): string[] {
  const comments = methodComments(service.name);
  const rows = Object.entries(service.rows).map(([name, row]) => `| ${name} | ${row.roles.join(', ')}${row.wholeFleet === true ? ' of the whole fleet' : ''} | ${row.risk} | ${rate(row)} | ${String(row.maxBytes)} | ${deadline(row, comments.get(name)?.stream === true)} |`);
  const about = Object.keys(service.rows).map((name) => `- \`${name}\`: ${comments.get(name)?.text ?? ''}`);
  return [`### ${service.name}`, '', '| method | roles | risk | rate | size | deadline |', '|---|---|---|---|---|---|', ...rows, '', ...about, ''];
}

function rate(row: MethodRow<never, unknown, never>): string {
  const { perSecond, burst } = row.rate;
  return `${perSecond >= 1 ? String(perSecond) : `1 in ${String(Math.round(1 / perSecond))} s`}, ${String(burst)} at once`;
}

function deadline(row: MethodRow<never, unknown, never>, stream: boolean): string {
  return stream ? 'stream' : `${String(row.deadlineMs / 1000)} s`;
}

/** What the contract says of a service's methods. */
function methodComments(service: string): Map<string, { text: string; stream: boolean }> {
  const [, side = '', , name = ''] = service.split('.');
  const file = `${name.replace(/Service$/, '').toLowerCase()}.proto`;
  const text = readFileSync(fileURLToPath(new URL(`../proto/reeve/${side}/v1/${file}`, import.meta.url)), 'utf8');
  const found = new Map<string, { text: string; stream: boolean }>();
  for (const [, comment = '', method = '', stream] of text.matchAll(/((?:^ *\/\/.*\n)+) *rpc (\w+)\((?:stream )?\w+\) returns \((stream )?/gm)) {
    found.set(method, { text: comment.replace(/^ *\/\/ ?/gm, '').trim().replace(/\s*\n\s*/g, ' '), stream: stream !== undefined });
  }
  return found;
}
