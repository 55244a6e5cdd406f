import { describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { createSimulatedHost } from '../../test/support/simulated-host.js';
import type { Entry } from '../journal/entry.js';
import type { Journal } from '../journal/journal.js';
import { confirm } from './confirm.js';

const id = '01920000-0000-7000-8000-000000000001';
const method = 'reeve.agent.v1.KeyService/SyncAuthorizedKeys';

/** An agent whose journal holds at most this one operation, and whose helper answers as it is told. */
function agentWith(entry: Partial<Entry> | undefined, answer: () => unknown = () => ({})) {
  const asked: unknown[] = [];
  const call = (verb: string, operation: string, request: unknown): Promise<never> => {
    asked.push([verb, operation, request]);
    return new Promise((resolve) => { resolve(answer() as never); });
  };
  const journal = { findOperation: (wanted: string, of?: string) => (wanted === id && of === method ? entry : undefined) } as unknown as Journal;
  return { asked, agent: { journal, hostName: 'web1', host: { ...createSimulatedHost(), helper: { call } } } };
}

describe('confirming a change', () => {
  it('asks the helper when the connection was opened after the change', async () => {
    const { agent, asked } = agentWith({ endedAt: 1_000 });
    await confirm(agent, { id, noun: 'key', openedAt: 1_000 });
    expect(asked).toEqual([['pending.confirm', id, { noun: 'key', operation: Buffer.from(id.replaceAll('-', ''), 'hex') }]]);
  });

  it.each([
    ['was opened before the change', 1_000, 999],
    ['is not known', 1_000, undefined],
    ['is of an operation that has not ended', undefined, 5_000],
  ])('is refused when the connection %s', async (_what, endedAt, openedAt) => {
    const { agent, asked } = agentWith({ endedAt });
    await expect(confirm(agent, { id, noun: 'key', openedAt })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'connection' } });
    expect(asked).toEqual([]);
  });

  it.each([['key', undefined], ['user', { endedAt: 1 }], ['constructor', { endedAt: 1 }]])('knows nothing of noun %s that this operation did not change', async (noun, entry) => {
    const { agent, asked } = agentWith(entry);
    await expect(confirm(agent, { id, noun, openedAt: 10 })).rejects.toMatchObject({ code: 'CONFIRM_UNKNOWN', fields: { host: 'web1', value: id } });
    expect(asked).toEqual([]);
  });

  it('says so when the change was taken back meanwhile, and hands other errors on', async () => {
    const unknown = agentWith({ endedAt: 1 }, () => { throw reeveError('CONFIRM_UNKNOWN', { value: 'hex' }); });
    await expect(confirm(unknown.agent, { id, noun: 'key', openedAt: 2 })).rejects.toMatchObject({ code: 'CONFIRM_UNKNOWN', fields: { host: 'web1', value: id } });
    const away = agentWith({ endedAt: 1 }, () => { throw reeveError('HELPER_UNREACHABLE', { reason: 'ENOENT' }); });
    await expect(confirm(away.agent, { id, noun: 'key', openedAt: 2 })).rejects.toMatchObject({ code: 'HELPER_UNREACHABLE' });
  });
});
