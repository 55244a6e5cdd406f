import { describe, expect, it } from 'vitest';
import { statusRoute, testSite } from '../../test/support/test-site.js';
import type { WriteVhostsRequest, WriteVhostsRequestInput } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsRequest.js';
import { formatVhost, type Vhost, type WireVhost } from '../../shared/model/vhost.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createSiteReader, nameModels, parseSitePath } from './wanted.js';

const codec = messageCodec<WriteVhostsRequestInput, WriteVhostsRequest>('reeve.agent.v1.WriteVhostsRequest');
const travelled = (sites: readonly Vhost[]): readonly WireVhost[] => codec.decode(codec.encode({ vhosts: sites.map((site) => formatVhost(site)) })).vhosts;
const [a, b, c] = ['a.example.org', 'b.example.org', 'c.example.org'].map((name) => testSite(name)) as [Vhost, Vhost, Vhost];

describe('sites of a request', () => {
  it('are by name, and those that were read before are the same again', () => {
    const reader = createSiteReader();
    const first = reader.read(travelled([b, a]));
    expect(first).toEqual(nameModels([a, b]));
    const second = reader.read(travelled([a, { ...b, overwrite: true }, c]));
    expect(second[0]).toBe(first[0]);
    expect(second[1]).toEqual({ ...first[1], site: { ...b, overwrite: true } });
    expect(reader.read(travelled([]))).toEqual([]);
  });

  it('are refused with their place in the request, and together', () => {
    const reader = createSiteReader();
    reader.read(travelled([a, b]));
    expect(() => reader.read(travelled([a, { ...b, routes: [statusRoute('/x/', 'y')] }]))).toThrow(expect.objectContaining({ code: 'FIELD_INVALID', fields: expect.objectContaining({ field: 'vhosts[1].routes[0].prefix' }) as object }) as Error);
    expect(() => reader.read(travelled([a, a]))).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
    expect(() => reader.read(travelled([a, { ...b, aliases: ['a.example.org'] }]))).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
    expect(() => reader.read(travelled(Array.from({ length: 2001 }, (_none, n) => testSite(`s${String(n)}.example.org`))))).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field: 'vhosts' }) as object }) as Error);
  });
});

it.each(['/etc/nginx/sites-enabled/own', '/x'])('%j is the path of a file', (path) => {
  expect(parseSitePath('file', path)).toBe(path);
});

it.each(['', 'etc/x', '/', '/etc//x', '/etc/./x', '/etc/../x', '/etc/x/', '/etc/x y', '/etc/x\n', `/${'x'.repeat(1024)}`])('%j is none', (path) => {
  expect(() => parseSitePath('file', path)).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
});
