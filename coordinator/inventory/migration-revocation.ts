/** Revocations of persons, and what became of them on each host: a step of the schema, never altered once it was released. */
export const revocationTables = `
  CREATE TABLE revocation (
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    operation_id TEXT NOT NULL,
    purge INTEGER NOT NULL CHECK (purge IN (0, 1)),
    end_sessions INTEGER NOT NULL CHECK (end_sessions IN (0, 1)),
    keys TEXT NOT NULL CHECK (json_valid(keys))
  ) STRICT;
  CREATE INDEX revocation_person ON revocation (person, id);

  CREATE TABLE revocation_host (
    revocation_id INTEGER NOT NULL REFERENCES revocation (id) ON DELETE CASCADE,
    host_id TEXT NOT NULL REFERENCES host (id),
    generation INTEGER NOT NULL CHECK (generation >= 1),
    acknowledged_at_ms INTEGER,
    digest BLOB CHECK (length(digest) = 32),
    purged INTEGER NOT NULL DEFAULT 0 CHECK (purged >= 0),
    ended INTEGER NOT NULL DEFAULT 0 CHECK (ended >= 0),
    remaining INTEGER NOT NULL DEFAULT 0 CHECK (remaining >= 0),
    sessions INTEGER NOT NULL DEFAULT 0 CHECK (sessions >= 0),
    PRIMARY KEY (revocation_id, host_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX revocation_host_open ON revocation_host (host_id) WHERE acknowledged_at_ms IS NULL OR remaining > 0 OR sessions > 0;
  `;
