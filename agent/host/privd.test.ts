import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPrivdClient, encodeRequest, parseOperationId, privdReplyMaxBytes } from './privd.js';

const operation = '01890a5d-ac96-774b-bcce-b302099a8057';
let dir = '';
let path = '';
let server: Server;
let answer: (socket: Socket, request: Buffer) => void;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'privd-client-'));
  path = join(dir, 's');
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (request) => { answer(socket, request); });
  });
  await new Promise<void>((resolve) => { server.listen(path, resolve); });
});
afterEach(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const tlv = (tag: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(tag);
  head.writeUInt32BE(value.length, 2);
  return Buffer.concat([head, value]);
};
function reply(verb: number, status: number, body: Buffer, id = parseOperationId(operation)): Buffer {
  const out = Buffer.alloc(26 + body.length);
  out.writeUInt32BE(22 + body.length);
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(verb, 6);
  id.copy(out, 8);
  out.writeUInt16BE(status, 24);
  body.copy(out, 26);
  return out;
}
const u32 = (value: number): Buffer => { const out = Buffer.alloc(4); out.writeUInt32BE(value); return out; };
const client = (timeoutMs = 2000): ReturnType<typeof createPrivdClient> => createPrivdClient({ socketPath: path, timeoutMs });
const errorField = (key: string, value: string): Buffer => tlv(0xff01, Buffer.concat([tlv(1, Buffer.from(key)), tlv(2, Buffer.from(value))]));

test('a request has the bytes of the frame contract', () => {
  expect(encodeRequest('user.remove', operation, { name: 'ab', keepHome: true }).toString('hex')).toBe(
    '00000023' + '0001' + '0014' + operation.replaceAll('-', '') + '0001' + '00000002' + '6162' + '0006' + '00000001' + '01');
});

test('a reply in pieces becomes its typed value', async () => {
  answer = (socket) => {
    const bytes = reply(20, 0, Buffer.concat([tlv(1, Buffer.from('alice.00')), tlv(2, u32(3))]));
    for (const byte of bytes) socket.write(Buffer.of(byte));
  };
  await expect(client().call('user.remove', operation, { name: 'alice' })).resolves.toEqual({ trash: 'alice.00', ended: 3 });
});

test('an error reply becomes that error with its fields', async () => {
  answer = (socket) => { socket.end(reply(18, 41, errorField('value', 'carol'))); };
  await expect(client().call('user.lock', operation, { name: 'carol' })).rejects.toMatchObject({ code: 'USER_FOREIGN', fields: { value: 'carol' } });
});

test('BUSY arrives although the helper has read nothing and knows no operation', async () => {
  answer = (socket) => { socket.end(reply(0, 37, errorField('rule', 'later'), Buffer.alloc(16))); };
  await expect(client().call('status.get', operation, {})).rejects.toMatchObject({ code: 'BUSY' });
});

const bad: [string, Buffer][] = [
  ['an unknown tag', reply(16, 0, Buffer.concat([tlv(1, u32(1)), tlv(9, u32(1))]))],
  ['a missing field', reply(16, 0, Buffer.alloc(0))],
  ['a field twice', reply(16, 0, Buffer.concat([tlv(1, u32(1)), tlv(1, u32(1))]))],
  ['a wrong length', reply(16, 0, tlv(1, Buffer.alloc(3)))],
  ['a field longer than the frame', reply(16, 0, Buffer.from([0, 1, 255, 255, 255, 255]))],
  ['a cut field', reply(16, 0, Buffer.from([0, 1, 0]))],
  ['another verb', reply(17, 0, tlv(1, u32(1)))],
  ['another operation', reply(16, 0, tlv(1, u32(1)), Buffer.alloc(16, 7))],
  ['an unknown status', reply(16, 9999, Buffer.alloc(0))],
  ['an error field without a name', reply(16, 41, errorField('__proto__', 'x'))],
  ['too many bytes', Buffer.concat([reply(16, 0, tlv(1, u32(1))), Buffer.from('x')])],
  ['a length out of bounds', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['a length beyond the cap', u32(privdReplyMaxBytes)],
  ['a length below a head', u32(3)],
  ['half a frame', reply(16, 0, tlv(1, u32(1))).subarray(0, 20)],
  ['nothing', Buffer.alloc(0)],
];
test.each(bad)('%s in a reply is refused as HELPER_UNREACHABLE', async (_what, bytes) => {
  answer = (socket) => { socket.end(bytes); };
  await expect(client().call('user.add', operation, { name: 'a', shell: '/bin/sh', kind: 'home' })).rejects.toMatchObject({ code: 'HELPER_UNREACHABLE' });
});

test('a helper that is silent, absent or older is told apart by reason', async () => {
  answer = () => undefined;
  const unreachable = (reason: string): object => ({ code: 'HELPER_UNREACHABLE', fields: { reason } });
  await expect(client(50).call('status.get', operation, {})).rejects.toMatchObject(unreachable('no answer within 50 ms'));
  const absent = createPrivdClient({ socketPath: join(dir, 'none'), timeoutMs: 500 });
  await expect(absent.call('status.get', operation, {})).rejects.toMatchObject(unreachable('ENOENT'));
  answer = (socket) => { const bytes = reply(1, 0, Buffer.alloc(0)); bytes.writeUInt16BE(2, 4); socket.end(bytes); };
  await expect(client().call('status.get', operation, {})).rejects.toMatchObject({ code: 'VERSION_UNSUPPORTED' });
});

test('what cannot be sent is refused before anything is opened', async () => {
  const away = createPrivdClient({ socketPath: join(dir, 'none'), timeoutMs: 500 });
  await expect(away.call('user.lock', 'nonsense', { name: 'a' })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  await expect(away.call('user.lock', operation, { name: 'a\0b' })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  await expect(away.call('user.lock', operation, { name: 'x'.repeat(70_000) })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  await expect(away.call('user.add', operation, { name: 'a', shell: '/bin/sh', kind: 'home', uid: -1 })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
});

test('close ends the calls under way', async () => {
  const closing = client(5000);
  answer = () => { closing.close(); };
  await expect(closing.call('status.get', operation, {})).rejects.toMatchObject({ code: 'HELPER_UNREACHABLE' });
  await expect(closing.call('status.get', operation, {})).rejects.toMatchObject({ code: 'HELPER_UNREACHABLE' });
});
