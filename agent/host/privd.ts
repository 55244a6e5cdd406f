/**
 * The agent's side of the helper's socket: one connection per request, frames as in DESIGN "Helper frame". Which verbs exist and what they carry comes
 * from the generated table. A reply is data from another process: length-capped, every tag and type checked, before anybody sees it.
 */
import { connect, type Socket } from 'node:net';
import { reeveError } from '../../shared/errors/error.js';
import {
  privdErrorFieldTag, privdLimits, privdStatusCodes, privdVerbs,
  type PrivdField, type PrivdReply, type PrivdRequest, type PrivdVerbName,
} from '../../shared/gen/privd.js';

/** Version of the frame, first field of every request and reply. */
export const privdFrameVersion = 1;
/** Largest reply taken from the helper, bytes of the whole frame. */
export const privdReplyMaxBytes = privdLimits.contentBytes + privdLimits.headerBytes;

const requestHeadBytes = 20; // version, verb, operation id
const replyHeadBytes = 22; // version, verb, operation id, status

/** Where the helper listens and how long an answer may take. */
export interface PrivdClientOptions {
  /** Path of the helper's socket; in production /run/reeve/priv.sock. */
  readonly socketPath: string;
  /** Longest wait for a whole reply, ms; user.remove alone may need 60000. */
  readonly timeoutMs: number;
}

/** Calls the helper. */
export interface PrivdClient {
  /**
   * One request. `operationId` is a UUID and may be the same for all requests of one operation.
   * Throws what the helper refused by its code and fields, or HELPER_UNREACHABLE (no answer: a writing verb may have been done),
   * or LIMIT_EXCEEDED (request too large).
   */
  call<V extends PrivdVerbName>(verb: V, operationId: string, request: PrivdRequest<V>): Promise<PrivdReply<V>>;
  /** Ends every call under way with HELPER_UNREACHABLE; later calls fail the same way. Repeatable. */
  close(): void;
}

const unreachable = (reason: string, cause?: unknown): Error =>
  reeveError('HELPER_UNREACHABLE', { reason }, cause === undefined ? {} : { cause });
const badReply = (reason: string): Error => unreachable(`its answer is malformed: ${reason}`);

/** The 16 bytes of a UUID. Throws FIELD_INVALID. */
export function parseOperationId(operationId: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(operationId)) {
    throw reeveError('FIELD_INVALID', { field: 'operation_id', value: operationId, rule: 'a lower-case UUID is wanted' });
  }
  return Buffer.from(operationId.replaceAll('-', ''), 'hex');
}

function encodeValue(field: PrivdField, value: unknown): Buffer {
  const wrong = (rule: string): Error => reeveError('FIELD_INVALID', { field: field.wire, value: String(value), rule });
  switch (field.type) {
    case 'string': {
      if (typeof value !== 'string' || value.includes('\0')) throw wrong('text without NUL is wanted');
      return Buffer.from(value, 'utf8');
    }
    case 'bytes':
      if (!(value instanceof Uint8Array)) throw wrong('bytes are wanted');
      return Buffer.from(value);
    case 'bool':
      if (typeof value !== 'boolean') throw wrong('true or false is wanted');
      return Buffer.of(value ? 1 : 0);
    case 'u32': {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffffffff) throw wrong('an integer of 32 bits is wanted');
      const out = Buffer.alloc(4);
      out.writeUInt32BE(value);
      return out;
    }
    case 'u64': {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong('an integer below 2^53 is wanted');
      const out = Buffer.alloc(8);
      out.writeBigUInt64BE(BigInt(value));
      return out;
    }
    case 'record': throw wrong('requests hold no records');
  }
}

function encodeTlv(tag: number, value: Buffer): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(tag, 0);
  head.writeUInt32BE(value.length, 2);
  const tlv = Buffer.concat([head, value]);
  value.fill(0);
  return tlv;
}

/** A whole request frame. Throws FIELD_INVALID, FIELD_MISSING or LIMIT_EXCEEDED. */
export function encodeRequest<V extends PrivdVerbName>(verb: V, operationId: string, request: PrivdRequest<V>): Buffer {
  const row = privdVerbs[verb];
  const values = request as Readonly<Record<string, unknown>>;
  const head = Buffer.alloc(4 + requestHeadBytes);
  head.writeUInt16BE(privdFrameVersion, 4);
  head.writeUInt16BE(row.number, 6);
  parseOperationId(operationId).copy(head, 8);
  const parts: Buffer[] = [head];
  for (const field of row.request) {
    const value = values[field.name];
    if (value !== undefined) parts.push(encodeTlv(field.tag, encodeValue(field, value)));
    else if (field.required === true) throw reeveError('FIELD_MISSING', { field: field.wire, rule: `${verb} needs it` });
  }
  const frame = Buffer.concat(parts);
  // They are copies, perhaps of a private key.
  for (const part of parts) part.fill(0);
  if (frame.length - 4 > row.maxBytes) {
    throw reeveError('LIMIT_EXCEEDED', { field: 'request', rule: `at most ${String(row.maxBytes)} bytes` });
  }
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

interface Tlv { readonly tag: number; readonly value: Buffer }

function decodeTlvs(bytes: Buffer): Tlv[] {
  const out: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 6) throw badReply('a field is cut off');
    const tag = bytes.readUInt16BE(at);
    const length = bytes.readUInt32BE(at + 2);
    if (length > bytes.length - at - 6) throw badReply('a field is longer than its frame');
    out.push({ tag, value: bytes.subarray(at + 6, at + 6 + length) });
    at += 6 + length;
  }
  return out;
}

function decodeValue(field: PrivdField, value: Buffer): unknown {
  const sized = (length: number): void => { if (value.length !== length) throw badReply(`${field.wire} has a wrong length`); };
  switch (field.type) {
    case 'string': return value.toString('utf8');
    case 'bytes': return new Uint8Array(value);
    case 'bool': sized(1); return value[0] === 1;
    case 'u32': sized(4); return value.readUInt32BE(0);
    case 'u64': {
      sized(8);
      const number = Number(value.readBigUInt64BE(0));
      if (!Number.isSafeInteger(number)) throw badReply(`${field.wire} is too large`);
      return number;
    }
    case 'record': return decodeFields(field.fields ?? [], value);
  }
}

function decodeFields(fields: readonly PrivdField[], bytes: Buffer): Record<string, unknown> {
  const byTag = new Map(fields.map((field) => [field.tag, field]));
  const out: Record<string, unknown> = {};
  for (const field of fields) if (field.repeated === true) out[field.name] = [];
  for (const { tag, value } of decodeTlvs(bytes)) {
    const field = byTag.get(tag);
    if (field === undefined) throw badReply(`tag ${String(tag)} is unknown`);
    const decoded = decodeValue(field, value);
    const list = out[field.name];
    if (field.repeated === true && Array.isArray(list)) list.push(decoded);
    else if (list === undefined) out[field.name] = decoded;
    else throw badReply(`${field.wire} is given twice`);
  }
  for (const field of fields) if (out[field.name] === undefined) throw badReply(`${field.wire} is missing`);
  return out;
}

function decodeErrorFields(bytes: Buffer): Record<string, string> {
  const out: Record<string, string> = {};
  for (const { tag, value } of decodeTlvs(bytes)) {
    if (tag !== privdErrorFieldTag) throw badReply(`tag ${String(tag)} in an error`);
    const [key, text] = decodeTlvs(value);
    if (key?.tag !== 1 || text?.tag !== 2) throw badReply('an error field is not a pair');
    const name = key.value.toString('utf8');
    if (!/^[a-z_]{1,32}$/.test(name) || name === '__proto__') throw badReply('an error field has no name');
    out[name] = text.value.toString('utf8');
  }
  return out;
}

/** The reply in a whole frame. Throws the helper's error, or HELPER_UNREACHABLE when the frame is not an answer to this request. */
export function decodeReply<V extends PrivdVerbName>(verb: V, operationId: string, frame: Buffer): PrivdReply<V> {
  const row = privdVerbs[verb];
  if (frame.length < 4 + replyHeadBytes || frame.readUInt32BE(0) !== frame.length - 4) throw badReply('it is cut off');
  const status = frame.readUInt16BE(24);
  const version = frame.readUInt16BE(4);
  if (version !== privdFrameVersion) {
    throw reeveError('VERSION_UNSUPPORTED', { value: String(version), rule: `the agent speaks version ${String(privdFrameVersion)}` });
  }
  const body = frame.subarray(4 + replyHeadBytes);
  const echoed = frame.readUInt16BE(6) === row.number && frame.subarray(8, 24).equals(parseOperationId(operationId));
  if (status !== 0) {
    // Refused before it was read (BUSY), a request has no verb or operation yet.
    const blank = frame.subarray(6, 24).every((byte) => byte === 0);
    if (!echoed && !blank) throw badReply('it belongs to another request');
    const code = privdStatusCodes.get(status);
    if (code === undefined) throw badReply(`status ${String(status)} is unknown`);
    throw reeveError(code, decodeErrorFields(body));
  }
  if (!echoed) throw badReply('it belongs to another request');
  return decodeFields(row.reply, body) as unknown as PrivdReply<V>;
}

/** Sends one frame and gives the whole reply frame. Rejects with HELPER_UNREACHABLE. */
function exchange(socket: Socket, request: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let gotBytes = 0;
    let wantedBytes = 4;
    const timer = setTimeout(() => { finish(unreachable(`no answer within ${String(timeoutMs)} ms`)); }, timeoutMs);
    const finish = (outcome: Error | Buffer): void => {
      clearTimeout(timer);
      socket.destroy();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    socket.on('connect', () => { socket.write(request); });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      gotBytes += chunk.length;
      if (wantedBytes === 4 && gotBytes >= 4) {
        wantedBytes = 4 + Buffer.concat(chunks).readUInt32BE(0);
        if (wantedBytes < 4 + replyHeadBytes || wantedBytes > privdReplyMaxBytes) { finish(badReply('its length is out of bounds')); return; }
      }
      if (wantedBytes > 4 && gotBytes > wantedBytes) finish(badReply('there is more than one frame'));
      else if (wantedBytes > 4 && gotBytes === wantedBytes) finish(Buffer.concat(chunks));
    });
    // A helper that answers BUSY closes without reading: the write fails, and its answer can still be read. 'close' comes last in every case.
    let failure: Error | undefined;
    socket.on('error', (error) => { failure = error; });
    socket.on('close', () => { finish(unreachable(failure === undefined ? 'it closed the connection without an answer' : reasonOf(failure), failure)); });
  });
}

const reasonOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : 'the connection broke');

/** A client of the helper at `socketPath`. Nothing is opened until the first call. */
export function createPrivdClient(options: PrivdClientOptions): PrivdClient {
  const open = new Set<Socket>();
  let closed = false;
  return {
    async call(verb, operationId, request) {
      const frame = encodeRequest(verb, operationId, request);
      if (closed) throw unreachable('the agent is stopping');
      const socket = connect({ path: options.socketPath });
      open.add(socket);
      try {
        return decodeReply(verb, operationId, await exchange(socket, frame, options.timeoutMs));
      } finally {
        open.delete(socket);
        frame.fill(0);
      }
    },
    close() {
      closed = true;
      for (const socket of open) socket.destroy();
    },
  };
}
