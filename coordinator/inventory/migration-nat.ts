/** Two listens of one family that can mean the same address of the host: any address overlaps all, an interface all but another one, an address itself. */
const listensMeet = `coalesce(NEW.listen_interface <> other.listen_interface, 0) = 0 AND coalesce(NEW.listen_address <> other.listen_address, 0) = 0`;

const forwardsMeet = `other.host_id = NEW.host_id AND other.id <> NEW.id AND other.family = NEW.family AND other.protocol = NEW.protocol
    AND other.first_port <= NEW.last_port AND NEW.first_port <= other.last_port AND ${listensMeet}`;

const masqueradesMeet = `other.host_id = NEW.host_id AND other.id <> NEW.id AND other.source = NEW.source AND coalesce(NEW.out_interface <> other.out_interface, 0) = 0`;

/** A trigger that refuses a row which meets another; its message ends with the number of that one. */
const apart = (table: string, when: string, meet: string): string => `
  CREATE TRIGGER ${table}_apart_${when.slice(0, 6).toLowerCase()} BEFORE ${when} ON ${table} WHEN EXISTS (SELECT 1 FROM ${table} AS other WHERE ${meet})
    BEGIN SELECT RAISE(ABORT, '${table} meets ' || (SELECT min(other.id) FROM ${table} AS other WHERE ${meet})); END;`;

const interfaceRule = (column: string): string => `${column} TEXT CHECK (length(${column}) BETWEEN 1 AND 15 AND ${column} GLOB '[a-z]*' AND ${column} NOT GLOB '*[^a-z0-9._-]*' AND ${column} NOT IN ('lo', 'any'))`;

const addressRule = (column: string): string => `${column} TEXT CHECK (length(${column}) BETWEEN 2 AND 39 AND ${column} NOT GLOB '*[^0-9a-f.:]*')`;

/**
 * The step of the schema that brings port forwards and masquerading, what has to be so before a change of a host is confirmed, and which generation a host took
 * back. Numbers of forwards and masquerades come from one row and are never used again: they name counters.
 */
export const natTables = `
  CREATE TABLE nat_number (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL CHECK (last BETWEEN 0 AND 2147483647)
  ) STRICT;
  INSERT INTO nat_number VALUES (1, 0);

  CREATE TABLE nat_forward (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 2147483647),
    host_id TEXT NOT NULL REFERENCES host (id),
    family INTEGER NOT NULL CHECK (family IN (4, 6)),
    protocol TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    ${addressRule('listen_address')},
    ${interfaceRule('listen_interface')},
    first_port INTEGER NOT NULL CHECK (first_port BETWEEN 1 AND 65535),
    last_port INTEGER NOT NULL CHECK (last_port BETWEEN first_port AND 65535),
    to_host_id TEXT REFERENCES host (id) CHECK (to_host_id <> host_id),
    ${addressRule('to_address')},
    to_first_port INTEGER NOT NULL CHECK (to_first_port BETWEEN 1 AND 65535),
    to_last_port INTEGER NOT NULL CHECK (to_last_port BETWEEN to_first_port AND 65535),
    sources TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(sources) AND json_type(sources) = 'array' AND json_array_length(sources) <= 64),
    hairpin INTEGER NOT NULL CHECK (hairpin IN (0, 1)),
    adopt INTEGER NOT NULL DEFAULT 0 CHECK (adopt IN (0, 1)),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    comment TEXT NOT NULL DEFAULT '' CHECK (length(comment) <= 200),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 1),
    CHECK (listen_address IS NULL OR listen_interface IS NULL),
    CHECK (listen_address IS NULL OR (family = 6) = (instr(listen_address, ':') > 0)),
    CHECK ((to_host_id IS NULL) = (to_address IS NOT NULL)),
    CHECK (to_address IS NULL OR (family = 6) = (instr(to_address, ':') > 0)),
    CHECK (to_last_port = to_first_port OR to_last_port - to_first_port = last_port - first_port)
  ) STRICT;
  CREATE INDEX nat_forward_host ON nat_forward (host_id, protocol, first_port);
  CREATE INDEX nat_forward_to ON nat_forward (to_host_id) WHERE to_host_id IS NOT NULL;
  ${apart('nat_forward', 'INSERT', forwardsMeet)}
  ${apart('nat_forward', 'UPDATE OF host_id, family, protocol, listen_address, listen_interface, first_port, last_port', forwardsMeet)}

  CREATE TABLE nat_masquerade (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 2147483647),
    host_id TEXT NOT NULL REFERENCES host (id),
    source TEXT NOT NULL CHECK (length(source) BETWEEN 2 AND 43 AND source NOT GLOB '*[^0-9a-f.:/]*'),
    ${interfaceRule('out_interface')},
    ${addressRule('to_address')},
    adopt INTEGER NOT NULL DEFAULT 0 CHECK (adopt IN (0, 1)),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    comment TEXT NOT NULL DEFAULT '' CHECK (length(comment) <= 200),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 1),
    CHECK (to_address IS NULL OR (instr(source, ':') > 0) = (instr(to_address, ':') > 0))
  ) STRICT;
  CREATE INDEX nat_masquerade_host ON nat_masquerade (host_id);
  ${apart('nat_masquerade', 'INSERT', masqueradesMeet)}
  ${apart('nat_masquerade', 'UPDATE OF host_id, source, out_interface', masqueradesMeet)}

  ALTER TABLE operation_host ADD COLUMN watch TEXT CHECK (json_valid(watch));
  ALTER TABLE generation ADD COLUMN reverted INTEGER NOT NULL DEFAULT 0 CHECK (reverted >= 0);
  `;
