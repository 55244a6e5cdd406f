import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { GrantServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/GrantService.js';
import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/KeyService.js';
import type { PersonServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PersonService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';

const persons = serviceName<PersonServiceDefinition>('reeve.coordinator.v1.PersonService');
const keys = serviceName<KeyServiceDefinition>('reeve.coordinator.v1.KeyService');
const grants = serviceName<GrantServiceDefinition>('reeve.coordinator.v1.GrantService');
const users = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const apply = { mode: 'CHANGE_MODE_APPLY' as const };

let fleet: LoopbackFleet;
let agent: LoopbackAgent;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-keys-'));
  fleet = await startLoopbackFleet();
  agent = await fleet.addAgent('web1', { host: createSimulatedHost() });
});

afterEach(async () => {
  await fleet.close();
  rmSync(folder, { recursive: true, force: true });
  expect(fleet.bugs).toEqual([]);
});

function newKey(name: string): { key: { type: string; blob: Buffer }; comment: string } {
  execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(folder, name)]);
  const [type = '', base64 = ''] = readFileSync(join(folder, `${name}.pub`), 'utf8').split(' ');
  return { key: { type, blob: Buffer.from(base64, 'base64') }, comment: name };
}

async function last(events: AsyncIterable<ChangeEvent>): Promise<ChangeEvent[]> {
  const all: ChangeEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

it('a grant reaches the host', async () => {
  await last(fleet.api.stream(persons, 'AddPerson', { options: apply, name: 'ada' } as never, {}));
  await last(fleet.api.stream(keys, 'AddKey', { options: apply, person: 'ada', keys: [newKey('ada')] } as never, {}));
  await last(fleet.api.stream(users, 'AddUser', { options: apply, selector: 'web1', user: { name: 'deploy', kind: 'USER_KIND_HOME' as const, shell: '/bin/bash' } }, {}));
  const events = await last(fleet.api.stream(grants, 'AddGrant', { options: apply, person: 'ada', selector: 'web1', user: 'deploy' } as never, {}));
  console.log(JSON.stringify(events, null, 1), agent.host.calls);
});
