const json = (column: string, most: number, least = 0): string => `${column} TEXT CHECK (json_valid(${column}) AND json_type(${column}) = 'array' AND json_array_length(${column}) BETWEEN ${String(least)} AND ${String(most)})`;

/** The step of the schema that brings certificates. Private keys are in no table. Sites refer to a certificate by host and name. */
export const certTables = `
  CREATE TABLE cert (
    host_id TEXT NOT NULL REFERENCES host (id),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[a-z0-9]*' AND name NOT GLOB '*[^a-z0-9._-]*'),
    chain_pem TEXT CHECK (length(chain_pem) BETWEEN 1 AND 65536 AND chain_pem NOT LIKE '%PRIVATE KEY%'),
    ${json('names', 64, 1)},
    days INTEGER CHECK (days BETWEEN 1 AND 3650),
    group_name TEXT CHECK (length(group_name) BETWEEN 1 AND 31 AND group_name GLOB '[a-z_]*' AND group_name NOT GLOB '*[^a-z0-9_-]*'),
    ${json('units', 8)} NOT NULL,
    overwrite INTEGER NOT NULL DEFAULT 0 CHECK (overwrite IN (0, 1)),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 1),
    PRIMARY KEY (host_id, name),
    CHECK ((chain_pem IS NULL) = (names IS NOT NULL)),
    CHECK ((names IS NULL) = (days IS NULL))
  ) STRICT;

  CREATE TABLE cert_state (
    host_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('', 'supplied', 'self-signed')),
    state TEXT NOT NULL CHECK (state IN ('ok', 'edited', 'missing')),
    ${json('names', 64)},
    not_before_s INTEGER CHECK (not_before_s >= 0),
    not_after_s INTEGER CHECK (not_after_s >= 0),
    fingerprint TEXT CHECK (length(fingerprint) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    spki TEXT CHECK (length(spki) = 64 AND spki NOT GLOB '*[^0-9a-f]*'),
    issuer TEXT CHECK (length(issuer) <= 512),
    seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (host_id, name),
    FOREIGN KEY (host_id, name) REFERENCES cert (host_id, name) ON DELETE CASCADE,
    CHECK ((fingerprint IS NULL) = (spki IS NULL) AND (fingerprint IS NULL) = (names IS NULL) AND (fingerprint IS NULL) = (not_before_s IS NULL)
      AND (fingerprint IS NULL) = (not_after_s IS NULL) AND (fingerprint IS NULL) = (issuer IS NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX cert_state_ends ON cert_state (not_after_s);
  `;
