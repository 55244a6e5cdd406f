import { expect, test } from 'vitest';
import { projectFiles, textOf } from './tree.js';

const protos = projectFiles('.proto');

test('every service, RPC, message, enum, value and field has a comment', () => {
  const bare: string[] = [];
  for (const file of protos) {
    const lines = textOf(file).split('\n');
    for (const [index, raw] of lines.entries()) {
      const line = raw.trim();
      const declares = /^(?:service|rpc|message|enum)\s/.test(line) || /^(?:repeated |optional |map<.*> )?[A-Za-z_.0-9]+(?:\s+[a-z_0-9]+)?\s*=\s*\d+;/.test(line);
      if (!declares || line.startsWith('syntax')) continue;
      const before = (lines[index - 1] ?? '').trim();
      if (!before.startsWith('//')) bare.push(`${file}:${String(index + 1)}: ${line}`);
    }
  }
  expect(bare, 'say what it is, with unit, range, default and errors').toEqual([]);
});

test('no request on the agent-facing services of the coordinator names a host', () => {
  for (const file of ['proto/reeve/coordinator/v1/enrol.proto', 'proto/reeve/coordinator/v1/identity.proto', 'proto/reeve/coordinator/v1/link.proto', 'proto/reeve/coordinator/v1/manifest.proto']) {
    for (const request of textOf(file).matchAll(/message (\w+Request) \{([\s\S]*?)\n\}/g)) {
      expect(request[2], `${request[1] ?? ''}: who asks is known from the key, never from the request`).not.toMatch(/\bhost(?:_id|_name)?\s*=/);
    }
  }
});

test('mutating requests to agents carry the intent as field 1', () => {
  for (const file of protos.filter((name) => name.includes('/agent/'))) {
    for (const request of textOf(file).matchAll(/message (Apply\w+Request) \{([\s\S]*?)\n\}/g)) {
      expect(request[2], request[1]).toMatch(/reeve\.type\.v1\.Intent intent = 1;/);
    }
  }
});

test('methods are VerbNoun and have messages of their own', () => {
  for (const file of protos) {
    for (const rpc of textOf(file).matchAll(/rpc (\w+)\((\w+)\) returns \((stream )?([\w.]+)\)/g)) {
      expect(rpc[2], file).toBe(`${rpc[1] ?? ''}Request`);
      const stream = rpc[3] !== undefined;
      if (!stream) expect(rpc[4], file).toBe(`${rpc[1] ?? ''}Response`);
    }
  }
});
