import { StringDecoder } from 'node:string_decoder';
import type { UnitLogLineInput } from '../../shared/gen/proto/reeve/type/v1/UnitLogLine.js';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { mostUnit } from '../../shared/model/unit.js';

/**
 * Lines of the journal out of the Journal Export Format (https://systemd.io/JOURNAL_EXPORT_FORMATS): `NAME=text`, or `NAME`, a length of 8 bytes (little endian) and so many bytes; an
 * empty line ends an entry. Programs of the host wrote what is in it: of each field no more is kept than is shown, however long it is.
 */
export interface ExportReader {
  /** The lines that are whole with these bytes. Errors: UNIT_FAILED when they are not of that form. */
  read(bytes: Buffer): UnitLogLineInput[];
}

/** Longest name of a field that is listened to, and longest value of one that is no message, bytes. */
const most = { name: 64, value: 256 } as const;

const [newline, equals] = [0x0a, 0x3d];

/** A value as far as it is kept. */
interface Value {
  readonly bytes: Buffer;
  readonly cut: boolean;
}

/** What is being read: a line up to its end, the eight bytes of a length, or so many bytes of a value and the line end after it. */
type Reading = { readonly kind: 'line' } | { readonly kind: 'length'; readonly name: string } | { readonly kind: 'value'; readonly name: string; left: number };

/** A reader of what `journalctl --output=export` prints about these units. */
export function createExportReader(units: readonly string[]): ExportReader {
  let reading: Reading = { kind: 'line' };
  let fields = new Map<string, Value>();
  const kept = createKeeper();

  const keep = (name: string, value: Value): void => {
    if (!fields.has(name)) fields.set(name, value);
  };
  const endLine = (lines: UnitLogLineInput[]): void => {
    const { bytes, cut } = kept.take();
    if (bytes.length === 0) {
      const line = lineOf(fields, units);
      if (line !== undefined) lines.push(line);
      fields = new Map();
      return;
    }
    const at = bytes.indexOf(equals);
    const name = bytes.toString('latin1', 0, at < 0 ? bytes.length : at);
    if (name.length > most.name || !/^[A-Z0-9_]+$/.test(name)) throw broken();
    if (at < 0) reading = { kind: 'length', name };
    else keep(name, { bytes: bytes.subarray(at + 1), cut });
  };
  return {
    read(bytes) {
      const lines: UnitLogLineInput[] = [];
      for (let at = 0; at < bytes.length; ) {
        switch (reading.kind) {
          case 'line': {
            const end = bytes.indexOf(newline, at);
            kept.add(bytes.subarray(at, end < 0 ? bytes.length : end));
            at = end < 0 ? bytes.length : end + 1;
            if (end >= 0) endLine(lines);
            break;
          }
          case 'length': {
            const part = bytes.subarray(at, at + 8 - kept.length);
            kept.add(part);
            at += part.length;
            if (kept.length === 8) reading = { kind: 'value', name: reading.name, left: lengthOf(kept.take().bytes) };
            break;
          }
          case 'value': {
            const part = bytes.subarray(at, at + reading.left);
            kept.add(part);
            reading.left -= part.length;
            at += part.length;
            if (reading.left > 0 || at === bytes.length) break;
            if (bytes[at] !== newline) throw broken();
            at += 1;
            keep(reading.name, kept.take());
            reading = { kind: 'line' };
            break;
          }
        }
      }
      return lines;
    },
  };
}

/** What of a line or a value came so far, as far as it can be of use. */
function createKeeper(): { add(bytes: Buffer): void; take(): Value; readonly length: number } {
  const room = mostUnit.messageBytes + most.name + 1;
  let parts: Buffer[] = [];
  let length = 0;
  let cut = false;
  return {
    get length() {
      return length;
    },
    add(bytes) {
      const part = bytes.subarray(0, room - length);
      cut ||= part.length < bytes.length;
      // What was read is only lent.
      if (part.length > 0) parts.push(Buffer.from(part));
      length += part.length;
    },
    take() {
      const value = { bytes: Buffer.concat(parts), cut };
      parts = [];
      length = 0;
      cut = false;
      return value;
    },
  };
}

function lengthOf(bytes: Buffer): number {
  const length = bytes.readBigUInt64LE(0);
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw broken();
  return Number(length);
}

function broken(): ReeveError {
  return reeveError('UNIT_FAILED', { value: 'Reading the journal', rule: 'it is not told as systemd tells it' });
}

function lineOf(fields: ReadonlyMap<string, Value>, units: readonly string[]): UnitLogLineInput | undefined {
  const text = (name: string): string => fields.get(name)?.bytes.toString('utf8', 0, most.value) ?? '';
  const number = (name: string, otherwise: number): number => (/^[0-9]{1,16}$/.test(text(name)) ? Number(text(name)) : otherwise);
  const timeUs = number('__REALTIME_TIMESTAMP', 0);
  if (timeUs === 0) return undefined;
  // Whoever writes a line may say what it likes, but not which unit it is in; what systemd says of a unit is in none.
  const unit = ['_SYSTEMD_UNIT', 'UNIT', 'OBJECT_SYSTEMD_UNIT'].map(text).find((name) => units.includes(name)) ?? text('_SYSTEMD_UNIT');
  const value = fields.get('MESSAGE');
  const whole = value === undefined || (!value.cut && value.bytes.length <= mostUnit.messageBytes);
  const decoder = new StringDecoder('utf8');
  // A character that was cut in two is left out.
  const message = value === undefined ? '' : decoder.write(value.bytes.subarray(0, mostUnit.messageBytes)) + (whole ? decoder.end() : '');
  return { timeUs, unit, priority: Math.min(7, number('PRIORITY', 6)), message, cut: !whole, identifier: text('SYSLOG_IDENTIFIER'), pid: Math.min(number('_PID', 0), 0xffff_ffff) };
}
