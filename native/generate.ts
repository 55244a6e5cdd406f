/**
 * Writes native/reeve-privd/gen/table.h and shared/gen/privd.ts from native/reeve-privd/table.json and the error catalogue, so that the helper in C and
 * its client in TypeScript cannot disagree about a number. Run as `npx tsx native/generate.ts`; the output depends on nothing but those two files.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalogue } from '../shared/errors/catalogue.js';

type FieldType = 'string' | 'bytes' | 'u32' | 'u64' | 'bool' | 'record';
interface Field {
  tag: number; name: string; type: FieldType; required?: boolean; repeated?: boolean; oneof?: string[]; about?: string; fields?: Field[];
}
interface Verb {
  name: string; number: number; writes: boolean; policy: string | null; about: string; request: Field[]; reply: Field[];
  /** Largest request, bytes; else limits.headerBytes. */
  maxBytes?: number;
}
interface PolicyKey { name: string; match: 'prefix' | 'literal' | 'range' | 'bound' | 'least'; default: string; values?: string[] }
interface Table {
  version: number; verbs: Verb[];
  policy: { operations: { name: string; keys: PolicyKey[] }[]; maxBytes: number };
  limits: { headerBytes: number; contentBytes: number };
  users: {
    reserved: string[]; reservedPrefixes: string[]; dangerousGroups: string[]; dangerousPrefixes: string[]; minUid: number; forbiddenUids: number[];
  };
}

const here = dirname(fileURLToPath(import.meta.url));
const notice = 'Made by native/generate.ts from native/reeve-privd/table.json and shared/errors/catalogue.ts. Do not edit.';

const constant = (name: string): string => name.toUpperCase().replace(/[^A-Z0-9]/g, '_');
const pascal = (name: string): string => name.split(/[._-]/).map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join('');
const camel = (name: string): string => pascal(name).replace(/^./, (first) => first.toLowerCase());
const quoted = (text: string): string => JSON.stringify(text);

/** Throws when the table breaks a rule that the C side relies on. */
function checkTable(table: Table): void {
  const problems: string[] = [];
  const once = (values: readonly (string | number)[], what: string): void => {
    if (new Set(values).size !== values.length) problems.push(`${what} is given twice`);
  };
  once(table.verbs.map((verb) => verb.name), 'a verb name');
  once(table.verbs.map((verb) => verb.number), 'a verb number');
  once(Object.values(catalogue).map((row) => row.number), 'an error number');
  const operations = new Map(table.policy.operations.map((operation) => [operation.name, operation]));
  for (const verb of table.verbs) {
    once(verb.request.map((field) => field.tag), `${verb.name}: a request tag`);
    once(verb.reply.map((field) => field.tag), `${verb.name}: a reply tag`);
    if (verb.policy !== null && !operations.has(verb.policy)) problems.push(`${verb.name}: unknown policy operation`);
    for (const field of verb.request) {
      if (field.type === 'record' || field.repeated === true) problems.push(`${verb.name}.${field.name}: requests hold single plain values`);
      if (field.tag < 1 || field.tag >= 0xff00) problems.push(`${verb.name}.${field.name}: tag out of range`);
    }
    if ((verb.maxBytes ?? 0) > table.limits.contentBytes) problems.push(`${verb.name}: maxBytes is larger than contentBytes`);
  }
  if (problems.length > 0) throw new Error(`table.json: ${problems.join('; ')}`);
}

const mostBytes = (table: Table, verb: Verb): number => verb.maxBytes ?? table.limits.headerBytes;

const cType: Record<FieldType, string> = {
  string: 'REEVE_T_STRING', bytes: 'REEVE_T_BYTES', u32: 'REEVE_T_U32', u64: 'REEVE_T_U64', bool: 'REEVE_T_BOOL', record: 'REEVE_T_RECORD',
};

function replyTags(prefix: string, fields: readonly Field[]): string[] {
  return fields.flatMap((field) => [
    `#define ${prefix}_${constant(field.name)} ${String(field.tag)}`,
    ...replyTags(`${prefix}_${constant(field.name)}`, field.fields ?? []),
  ]);
}

const cList = (name: string, values: readonly string[]): string =>
  `static const char *const ${name}[] = {${[...values.map(quoted), 'NULL'].join(', ')}};`;

/** The C header. */
function formatHeader(table: Table): string {
  const verbs = [...table.verbs].sort((a, b) => a.number - b.number);
  const out: string[] = [
    `/* ${notice} */`, '#ifndef REEVE_TABLE_H', '#define REEVE_TABLE_H', '#include <stdbool.h>', '#include <stddef.h>', '#include <stdint.h>', '',
    `#define REEVE_TABLE_VERSION ${String(table.version)}`,
    `#define REEVE_HEADER_BYTES ${String(table.limits.headerBytes)}u`,
    `#define REEVE_CONTENT_BYTES ${String(table.limits.contentBytes)}u`,
    `#define REEVE_REQUEST_BYTES ${String(Math.max(...verbs.map((verb) => mostBytes(table, verb))))}u`,
    `#define REEVE_POLICY_BYTES ${String(table.policy.maxBytes)}u`,
    `#define REEVE_MIN_UID ${String(table.users.minUid)}u`,
    `#define REEVE_MAX_FIELDS ${String(Math.max(...verbs.map((verb) => verb.request.length)))}`,
    `#define REEVE_MAX_KEYS ${String(Math.max(...table.policy.operations.map((operation) => operation.keys.length)))}`,
    `#define REEVE_TAG_ERROR_FIELD 0xff01u`, '', '#define REEVE_OK 0',
    ...Object.entries(catalogue).map(([code, row]) => `#define REEVE_E_${code} ${String(row.number)}`), '',
    ...verbs.map((verb) => `#define REEVE_VERB_${constant(verb.name)} ${String(verb.number)}`), '',
    '/* Index of a request field in its verb\'s row. */',
    ...verbs.flatMap((verb) => verb.request.map((field, at) => `#define REEVE_F_${constant(verb.name)}_${constant(field.name)} ${String(at)}`)), '',
    '/* Tags of reply fields. */',
    ...verbs.flatMap((verb) => replyTags(`REEVE_R_${constant(verb.name)}`, verb.reply)), '',
    '/* Policy operations and the index of each key in its operation\'s row. */',
    ...table.policy.operations.flatMap((operation, at) => [
      `#define REEVE_P_${constant(operation.name)} ${String(at)}`,
      ...operation.keys.map((key, keyAt) => `#define REEVE_K_${constant(operation.name)}_${constant(key.name)} ${String(keyAt)}`),
    ]), '#define REEVE_P_NONE (-1)', '',
    'enum reeve_type { REEVE_T_STRING, REEVE_T_BYTES, REEVE_T_U32, REEVE_T_U64, REEVE_T_BOOL, REEVE_T_RECORD };',
    'enum reeve_match { REEVE_M_LITERAL, REEVE_M_PREFIX, REEVE_M_RANGE, REEVE_M_BOUND, REEVE_M_LEAST };',
    'struct reeve_field { uint16_t tag; const char *name; enum reeve_type type; bool required; const char *const *oneof; };',
    'struct reeve_verb { uint16_t number; const char *name; bool writes; int policy; uint32_t most; size_t nfields; const struct reeve_field *fields; };',
    'struct reeve_key { const char *name; enum reeve_match match; const char *fallback; const char *const *values; };',
    'struct reeve_operation { const char *name; size_t nkeys; const struct reeve_key *keys; };', '',
    '#ifdef REEVE_TABLE_DATA',
  ];
  for (const verb of verbs) {
    for (const field of verb.request) {
      if (field.oneof !== undefined) out.push(cList(`reeve_oneof_${constant(verb.name)}_${constant(field.name)}`, field.oneof));
    }
    if (verb.request.length > 0) {
      out.push(`static const struct reeve_field reeve_fields_${constant(verb.name)}[] = {`);
      for (const field of verb.request) {
        const oneof = field.oneof === undefined ? 'NULL' : `reeve_oneof_${constant(verb.name)}_${constant(field.name)}`;
        out.push(`  {${String(field.tag)}, ${quoted(field.name)}, ${cType[field.type]}, ${String(field.required === true)}, ${oneof}},`);
      }
      out.push('};');
    }
  }
  out.push('static const struct reeve_verb reeve_verbs[] = {');
  for (const verb of verbs) {
    const policy = verb.policy === null ? 'REEVE_P_NONE' : `REEVE_P_${constant(verb.policy)}`;
    const fields = verb.request.length === 0 ? 'NULL' : `reeve_fields_${constant(verb.name)}`;
    out.push(`  {${String(verb.number)}, ${quoted(verb.name)}, ${String(verb.writes)}, ${policy}, ${String(mostBytes(table, verb))}u, ${String(verb.request.length)}, ${fields}},`);
  }
  out.push('};', `static const size_t reeve_nverbs = ${String(verbs.length)};`);
  for (const operation of table.policy.operations) {
    for (const key of operation.keys) {
      if (key.values !== undefined) out.push(cList(`reeve_values_${constant(operation.name)}_${constant(key.name)}`, key.values));
    }
    if (operation.keys.length > 0) {
      out.push(`static const struct reeve_key reeve_keys_${constant(operation.name)}[] = {`);
      for (const key of operation.keys) {
        const values = key.values === undefined ? 'NULL' : `reeve_values_${constant(operation.name)}_${constant(key.name)}`;
        out.push(`  {${quoted(key.name)}, REEVE_M_${constant(key.match)}, ${quoted(key.default)}, ${values}},`);
      }
      out.push('};');
    }
  }
  out.push('static const struct reeve_operation reeve_operations[] = {');
  for (const operation of table.policy.operations) {
    const keys = operation.keys.length === 0 ? 'NULL' : `reeve_keys_${constant(operation.name)}`;
    out.push(`  {${quoted(operation.name)}, ${String(operation.keys.length)}, ${keys}},`);
  }
  out.push(
    '};', `static const size_t reeve_noperations = ${String(table.policy.operations.length)};`,
    cList('reeve_reserved', table.users.reserved), cList('reeve_reserved_prefixes', table.users.reservedPrefixes),
    cList('reeve_dangerous_groups', table.users.dangerousGroups), cList('reeve_dangerous_prefixes', table.users.dangerousPrefixes),
    `static const uint32_t reeve_forbidden_uids[] = {${table.users.forbiddenUids.map((uid) => `${String(uid)}u`).join(', ')}};`,
    `static const size_t reeve_nforbidden_uids = ${String(table.users.forbiddenUids.length)};`, '#endif', '#endif', '',
  );
  return out.join('\n');
}

function fieldTsType(field: Field, recordName: string): string {
  const plain = ((): string => {
    switch (field.type) {
      case 'string': return field.oneof === undefined ? 'string' : field.oneof.map((value) => `'${value}'`).join(' | ');
      case 'bytes': return 'Uint8Array';
      case 'u32': case 'u64': return 'number';
      case 'bool': return 'boolean';
      case 'record': return recordName;
    }
  })();
  return field.repeated === true ? `readonly ${plain}[]` : plain;
}

function formatInterface(name: string, about: string, fields: readonly Field[], optional: boolean): string[] {
  const records = fields.flatMap((field) =>
    field.fields === undefined ? [] : formatInterface(`${name}${pascal(field.name)}`, `One ${field.name} of ${name}.`, field.fields, false));
  const lines = fields.flatMap((field) => {
    const isOptional = optional && field.required !== true;
    const type = fieldTsType(field, `${name}${pascal(field.name)}`);
    return [
      ...(field.about === undefined ? [] : [`  /** ${field.about} */`]),
      `  readonly ${camel(field.name)}${isOptional ? '?' : ''}: ${type}${isOptional ? ' | undefined' : ''};`,
    ];
  });
  const head = [...records, `/** ${about} */`];
  return lines.length === 0 ? [...head, `export type ${name} = Record<string, never>;`, ''] : [...head, `export interface ${name} {`, ...lines, '}', ''];
}

const fieldLiteral = (field: Field): string => {
  const parts = [`tag: ${String(field.tag)}`, `name: '${camel(field.name)}'`, `wire: '${field.name}'`, `type: '${field.type}'`];
  if (field.required === true) parts.push('required: true');
  if (field.repeated === true) parts.push('repeated: true');
  if (field.oneof !== undefined) parts.push(`oneof: [${field.oneof.map((value) => `'${value}'`).join(', ')}]`);
  if (field.fields !== undefined) parts.push(`fields: [${field.fields.map(fieldLiteral).join(', ')}]`);
  return `{ ${parts.join(', ')} }`;
};

const tsStrings = (values: readonly string[]): string => `[${values.map((value) => `'${value}'`).join(', ')}]`;

/** The TypeScript module. */
function formatModule(table: Table): string {
  const verbs = [...table.verbs].sort((a, b) => a.number - b.number);
  const out: string[] = [
    `// ${notice}`, "import type { ErrorCode } from '../errors/catalogue.js';", '',
    '/** How a field travels: u32 and u64 big-endian, bool one byte, record nested. */',
    "export type PrivdFieldType = 'string' | 'bytes' | 'u32' | 'u64' | 'bool' | 'record';",
    '/** One field of a request or reply: `name` in TypeScript, `wire` in table.json and in error fields. */',
    'export interface PrivdField {',
    '  readonly tag: number; readonly name: string; readonly wire: string; readonly type: PrivdFieldType;',
    '  readonly required?: boolean; readonly repeated?: boolean; readonly oneof?: readonly string[]; readonly fields?: readonly PrivdField[];', '}',
    '/** One verb of the helper. */',
    'export interface PrivdVerb {',
    '  readonly number: number; readonly writes: boolean; readonly policy: string | undefined;',
    '  /** Largest request, bytes. */', '  readonly maxBytes: number;',
    '  readonly request: readonly PrivdField[]; readonly reply: readonly PrivdField[];', '}',
    '/** One key of a policy operation; `values` closes the set of literals it takes. */',
    'export interface PolicyKeyRow {',
    "  readonly name: string; readonly match: 'prefix' | 'literal' | 'range' | 'bound' | 'least'; readonly fallback: string; readonly values?: readonly string[];", '}',
    '/** One operation of the policy language. */',
    'export interface PolicyOperationRow { readonly name: string; readonly keys: readonly PolicyKeyRow[] }', '',
  ];
  for (const verb of verbs) {
    out.push(...formatInterface(`${pascal(verb.name)}Request`, `Request of ${verb.name}: ${verb.about}`, verb.request, true));
    out.push(...formatInterface(`${pascal(verb.name)}Reply`, `Reply of ${verb.name}.`, verb.reply, false));
  }
  out.push('/** Request and reply of each verb. */', 'export interface PrivdVerbs {');
  for (const verb of verbs) {
    const type = pascal(verb.name);
    out.push(`  /** ${verb.about} */`, `  readonly '${verb.name}': { readonly request: ${type}Request; readonly reply: ${type}Reply };`);
  }
  out.push('}', '', '/** Name of a verb. */', 'export type PrivdVerbName = keyof PrivdVerbs;', '/** Request of verb V. */',
    "export type PrivdRequest<V extends PrivdVerbName> = PrivdVerbs[V]['request'];", '/** Reply of verb V. */',
    "export type PrivdReply<V extends PrivdVerbName> = PrivdVerbs[V]['reply'];", '', '/** The verbs at run time. */',
    'export const privdVerbs: Readonly<Record<PrivdVerbName, PrivdVerb>> = {');
  for (const verb of verbs) {
    const policy = verb.policy === null ? 'undefined' : `'${verb.policy}'`;
    out.push(`  '${verb.name}': {`, `    number: ${String(verb.number)}, writes: ${String(verb.writes)}, policy: ${policy}, maxBytes: ${String(mostBytes(table, verb))},`);
    out.push('    request: [', ...verb.request.map((field) => `      ${fieldLiteral(field)},`), '    ],');
    out.push('    reply: [', ...verb.reply.map((field) => `      ${fieldLiteral(field)},`), '    ],', '  },');
  }
  out.push('};', '', '/** Names of all verbs. */',
    `export const privdVerbNames: readonly PrivdVerbName[] = ${tsStrings(verbs.map((verb) => verb.name))};`, '',
    '/** The error code behind each status number. */', 'export const privdStatusCodes: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([');
  for (const [code, row] of Object.entries(catalogue)) out.push(`  [${String(row.number)}, '${code}'],`);
  out.push(']);', '', '/** The policy language: operations, keys, defaults. */', 'export const policyOperations: readonly PolicyOperationRow[] = [');
  for (const operation of table.policy.operations) {
    const keys = operation.keys.map((key) =>
      `{ name: '${key.name}', match: '${key.match}', fallback: '${key.default}'${key.values === undefined ? '' : `, values: ${tsStrings(key.values)}`} }`);
    const list = keys.length === 0 ? '[]' : `[\n    ${keys.join(',\n    ')},\n  ]`;
    out.push(`  { name: '${operation.name}', keys: ${list} },`);
  }
  out.push('];', '', '/** Largest policy file, bytes. */', `export const policyMaxBytes = ${String(table.policy.maxBytes)};`,
    '/** Largest request header and largest content or reply, bytes. */',
    `export const privdLimits = { headerBytes: ${String(table.limits.headerBytes)}, contentBytes: ${String(table.limits.contentBytes)} } as const;`,
    '/** Tag of an error field in a reply whose status is not 0. */', 'export const privdErrorFieldTag = 0xff01;', '',
    '/** What no operator may create on any host, whatever its policy says. */', 'export const userFloors = {');
  for (const name of ['reserved', 'reservedPrefixes', 'dangerousGroups', 'dangerousPrefixes'] as const) {
    out.push(`  ${name}: ${tsStrings(table.users[name])},`);
  }
  out.push(`  minUid: ${String(table.users.minUid)},`, `  forbiddenUids: [${table.users.forbiddenUids.join(', ')}],`,
    '} as const satisfies Record<string, number | readonly (string | number)[]>;', '');
  return out.join('\n');
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  let before: string | undefined;
  try { before = readFileSync(path, 'utf8'); } catch { before = undefined; }
  if (before !== text) writeFileSync(path, text);
}

const table = JSON.parse(readFileSync(join(here, 'reeve-privd/table.json'), 'utf8')) as Table;
checkTable(table);
write(join(here, 'reeve-privd/gen/table.h'), formatHeader(table));
write(join(here, '../shared/gen/privd.ts'), formatModule(table));
