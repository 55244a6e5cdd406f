const list = (column: string, most: number): string => `${column} TEXT NOT NULL CHECK (json_valid(${column}) AND json_type(${column}) = 'array' AND json_array_length(${column}) <= ${String(most)})`;
const count = (column: string, most: number, least = 0): string => `${column} INTEGER NOT NULL CHECK (${column} BETWEEN ${String(least)} AND ${String(most)})`;
const size = (column: string): string => `${column} INTEGER NOT NULL DEFAULT 0 CHECK (${column} >= 0)`;
const folder = (column: string): string => `${column} TEXT NOT NULL CHECK (${column} GLOB '/?*' AND length(${column}) <= 1024)`;
const stamp = `GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z'`;

/** The step of the schema that brings backup jobs, their runs, what these could not copy, and proofs. Paths are bytes: hosts may have them in any encoding, or none. */
export const backupTables = `
  CREATE TABLE backup (
    id TEXT PRIMARY KEY CHECK (length(id) = 36),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[a-z0-9]*' AND name NOT GLOB '*[^a-z0-9._-]*'),
    source_id TEXT NOT NULL REFERENCES host (id),
    destination_id TEXT NOT NULL REFERENCES host (id),
    ${list('folders', 32)},
    ${folder('folder')},
    ${list('excludes', 200)},
    system_folders INTEGER NOT NULL CHECK (system_folders IN (0, 1)),
    cron TEXT CHECK (length(cron) <= 100),
    window_minutes INTEGER CHECK (window_minutes BETWEEN 0 AND 1440),
    ${count('hourly', 1000)},
    ${count('daily', 1000)},
    ${count('weekly', 1000)},
    ${count('monthly', 1000)},
    ${count('bandwidth_kib', 100_000_000)},
    ${count('time_limit_minutes', 10_080, 1)},
    ${list('dumps', 32)},
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    ${count('shrink_percent', 99)},
    ${count('verify_days', 365, 1)},
    drill_host_id TEXT REFERENCES host (id),
    drill_folder TEXT CHECK (drill_folder GLOB '/?*' AND length(drill_folder) <= 1024),
    drill_days INTEGER CHECK (drill_days BETWEEN 1 AND 365),
    frozen_at_ms INTEGER,
    frozen_reason TEXT NOT NULL DEFAULT '' CHECK (length(frozen_reason) <= 2048),
    baseline_files INTEGER CHECK (baseline_files >= 0),
    baseline_bytes INTEGER CHECK (baseline_bytes >= 0),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    CHECK (source_id <> destination_id),
    CHECK (json_array_length(folders) + json_array_length(dumps) > 0),
    CHECK ((cron IS NULL) = (window_minutes IS NULL)),
    CHECK (hourly + daily + weekly + monthly > 0),
    CHECK ((drill_host_id IS NULL) = (drill_folder IS NULL) AND (drill_host_id IS NULL) = (drill_days IS NULL)),
    CHECK ((frozen_at_ms IS NULL) = (frozen_reason = '')),
    CHECK ((baseline_files IS NULL) = (baseline_bytes IS NULL))
  ) STRICT;
  CREATE UNIQUE INDEX backup_place ON backup (destination_id, folder);
  CREATE INDEX backup_source ON backup (source_id);
  CREATE INDEX backup_drill ON backup (drill_host_id) WHERE drill_host_id IS NOT NULL;

  CREATE TABLE backup_run (
    id TEXT PRIMARY KEY CHECK (length(id) = 36),
    job_id TEXT NOT NULL REFERENCES backup (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('backup', 'restore', 'verify', 'prune', 'adopt')),
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'unknown')),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    reason TEXT NOT NULL DEFAULT '' CHECK (length(reason) <= 2048),
    snapshot TEXT NOT NULL DEFAULT '' CHECK (snapshot = '' OR snapshot ${stamp}),
    ${size('files')},
    ${size('bytes')},
    ${size('sent_files')},
    ${size('sent_bytes')},
    way TEXT NOT NULL DEFAULT '' CHECK (way IN ('', 'direct', 'reverse', 'coordinator')),
    ${size('problems')},
    output TEXT NOT NULL DEFAULT '' CHECK (length(CAST(output AS BLOB)) <= 131072),
    CHECK ((state = 'running') = (ended_at_ms IS NULL))
  ) STRICT;
  CREATE UNIQUE INDEX backup_run_one ON backup_run (job_id) WHERE state = 'running';
  CREATE INDEX backup_run_unknown ON backup_run (job_id) WHERE state = 'unknown';
  CREATE INDEX backup_run_job ON backup_run (job_id, started_at_ms);

  CREATE TABLE backup_problem (
    run_id TEXT NOT NULL REFERENCES backup_run (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 1000),
    path BLOB NOT NULL CHECK (length(path) BETWEEN 1 AND 4096),
    kind TEXT NOT NULL CHECK (kind IN ('vanished', 'skipped', 'failed')),
    text TEXT NOT NULL CHECK (length(text) <= 1024),
    PRIMARY KEY (run_id, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE backup_proof (
    run_id TEXT PRIMARY KEY REFERENCES backup_run (id) ON DELETE CASCADE,
    job_id TEXT NOT NULL REFERENCES backup (id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    snapshot TEXT NOT NULL CHECK (snapshot ${stamp}),
    kind TEXT NOT NULL CHECK (kind IN ('sample', 'full')),
    ok INTEGER NOT NULL CHECK (ok IN (0, 1)),
    ${size('files')},
    ${size('bytes')},
    ${size('skipped')},
    ${list('different', 100)},
    ${list('dumps', 32)},
    evidence BLOB NOT NULL CHECK (length(evidence) = 32)
  ) STRICT;
  CREATE INDEX backup_proof_job ON backup_proof (job_id, at_ms);
  `;
