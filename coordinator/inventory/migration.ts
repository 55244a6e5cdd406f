import { alertIndexes, alertTables } from './migration-alert.js';
import { backupTables } from './migration-backup.js';
import { certTables } from './migration-cert.js';
import { containerTables } from './migration-container.js';
import { keyTables } from './migration-key.js';
import { metricTables } from './migration-metric.js';
import { natTables } from './migration-nat.js';
import { revocationTables } from './migration-revocation.js';
import { vhostTables } from './migration-vhost.js';
import { webLoginTables } from './migration-web-login.js';

/**
 * The schema, as steps that only go forward. A step is never altered once it was released; a test compares a fresh database with a migrated one.
 * Times are unix ms. Every rule that a row can break is a CHECK or a key here.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE fleet (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    address TEXT NOT NULL,
    agents_port INTEGER NOT NULL CHECK (agents_port BETWEEN 1 AND 65535),
    enrolment_port INTEGER NOT NULL CHECK (enrolment_port BETWEEN 1 AND 65535 AND enrolment_port <> agents_port),
    epoch INTEGER NOT NULL CHECK (epoch >= 1),
    created_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE host (
    id TEXT PRIMARY KEY CHECK (length(id) = 36),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 253),
    address TEXT,
    port INTEGER CHECK (port BETWEEN 1 AND 65535),
    parent_id TEXT REFERENCES host (id),
    state TEXT NOT NULL CHECK (state IN ('invited', 'joined', 'revoked', 'retired')),
    invited_at_ms INTEGER NOT NULL,
    joined_at_ms INTEGER,
    retired_at_ms INTEGER,
    last_seen_at_ms INTEGER,
    readmit_until_ms INTEGER,
    agent_version TEXT NOT NULL DEFAULT '',
    machine_hint BLOB,
    audit_seq INTEGER NOT NULL DEFAULT 0,
    audit_head BLOB,
    audit_broken_at_ms INTEGER,
    CHECK ((address IS NULL) = (port IS NULL)),
    CHECK (parent_id IS NULL OR parent_id <> id),
    CHECK ((state = 'retired') = (retired_at_ms IS NOT NULL))
  ) STRICT;
  CREATE UNIQUE INDEX host_name ON host (name) WHERE state <> 'retired';
  CREATE INDEX host_parent ON host (parent_id) WHERE parent_id IS NOT NULL;
  CREATE TRIGGER host_keep BEFORE DELETE ON host BEGIN SELECT RAISE(ABORT, 'hosts are retired, never deleted'); END;
  CREATE TRIGGER host_stay_retired BEFORE UPDATE OF state ON host WHEN OLD.state = 'retired' AND NEW.state <> 'retired'
    BEGIN SELECT RAISE(ABORT, 'a retired id is never used again'); END;

  CREATE TABLE host_label (
    host_id TEXT NOT NULL REFERENCES host (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (host_id, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX host_label_value ON host_label (key, value);

  CREATE TABLE host_key (
    fingerprint TEXT PRIMARY KEY CHECK (length(fingerprint) = 64),
    host_id TEXT NOT NULL REFERENCES host (id),
    public_key BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('staged', 'current', 'old', 'revoked')),
    issued_at_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX host_key_current ON host_key (host_id) WHERE state = 'current';
  CREATE INDEX host_key_host ON host_key (host_id, state);

  CREATE TABLE join_token (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    host_id TEXT NOT NULL REFERENCES host (id),
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL CHECK (expires_at_ms > created_at_ms),
    used_at_ms INTEGER
  ) STRICT;
  CREATE INDEX join_token_host ON join_token (host_id);

  CREATE TABLE operator (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE user (
    host_id TEXT NOT NULL REFERENCES host (id),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 31),
    presence TEXT NOT NULL CHECK (presence IN ('present', 'locked', 'absent', 'released')),
    kind TEXT CHECK (kind IN ('home', 'system', 'adopted')),
    uid INTEGER CHECK (uid BETWEEN 1000 AND 4294967294 AND uid NOT IN (65534, 65535)),
    shell TEXT,
    comment TEXT,
    groups TEXT CHECK (json_valid(groups)),
    keep_home INTEGER NOT NULL DEFAULT 0 CHECK (keep_home IN (0, 1)),
    generation INTEGER NOT NULL CHECK (generation >= 1),
    observed_uid INTEGER,
    PRIMARY KEY (host_id, name),
    CHECK (presence IN ('absent', 'released') OR kind IS NOT NULL),
    CHECK (kind IS NULL OR kind = 'adopted' OR (shell IS NOT NULL AND comment IS NOT NULL AND groups IS NOT NULL))
  ) STRICT;
  CREATE UNIQUE INDEX user_uid ON user (host_id, uid) WHERE uid IS NOT NULL AND presence IN ('present', 'locked');
  CREATE INDEX user_name ON user (name);

  CREATE TABLE generation (
    host_id TEXT NOT NULL REFERENCES host (id),
    noun TEXT NOT NULL,
    wanted INTEGER NOT NULL CHECK (wanted >= 0),
    applied INTEGER NOT NULL DEFAULT 0 CHECK (applied >= 0 AND applied <= wanted),
    applied_digest BLOB CHECK (length(applied_digest) = 32),
    observed_digest BLOB CHECK (length(observed_digest) = 32),
    reason TEXT NOT NULL DEFAULT '',
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (host_id, noun)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX generation_pending ON generation (host_id) WHERE applied < wanted;
  CREATE INDEX generation_drift ON generation (host_id) WHERE applied = wanted AND applied_digest IS NOT NULL AND observed_digest IS NOT applied_digest;

  CREATE TABLE operation (
    id TEXT PRIMARY KEY CHECK (length(id) = 36),
    summary TEXT NOT NULL,
    operator TEXT NOT NULL,
    request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
    outcome TEXT NOT NULL CHECK (outcome IN ('running', 'ok', 'failed', 'unknown', 'pending')),
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    CHECK ((outcome = 'running') = (ended_at_ms IS NULL))
  ) STRICT;

  CREATE TABLE operation_host (
    operation_id TEXT NOT NULL REFERENCES operation (id),
    host_id TEXT NOT NULL REFERENCES host (id),
    noun TEXT NOT NULL,
    generation INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('running', 'ok', 'failed', 'unknown', 'pending')),
    changes TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(changes)),
    errors TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(errors)),
    duration_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (operation_id, host_id, noun)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX operation_host_open ON operation_host (host_id) WHERE outcome IN ('running', 'unknown');

  CREATE TABLE plan (
    id TEXT PRIMARY KEY CHECK (length(id) = 36),
    request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
    created_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE plan_host (
    plan_id TEXT NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    host_id TEXT NOT NULL REFERENCES host (id),
    noun TEXT NOT NULL,
    digest BLOB CHECK (length(digest) = 32),
    policy_digest BLOB CHECK (length(policy_digest) = 32),
    changes TEXT NOT NULL CHECK (json_valid(changes)),
    PRIMARY KEY (plan_id, host_id, noun)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE fact (
    host_id TEXT PRIMARY KEY REFERENCES host (id),
    received_at_ms INTEGER NOT NULL,
    facts TEXT NOT NULL CHECK (json_valid(facts))
  ) STRICT;

  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY CHECK (seq >= 1),
    time_ms INTEGER NOT NULL,
    principal TEXT NOT NULL,
    action TEXT NOT NULL,
    arguments TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('intent', 'ok', 'refused', 'failed')),
    operation_id TEXT NOT NULL,
    code TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
  ) STRICT;
  CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit records are never altered'); END;
  `,
  `
  CREATE TABLE operator_scope (
    operator TEXT NOT NULL REFERENCES operator (name) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (operator, key, value)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE hold (
    host_id TEXT NOT NULL REFERENCES host (id),
    noun TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 400),
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (host_id, noun),
    CHECK (until_ms > since_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX hold_until ON hold (until_ms);
  `,
  `
  ALTER TABLE fleet ADD COLUMN operators_port INTEGER NOT NULL DEFAULT 7423 CHECK (operators_port BETWEEN 1 AND 65535);
  ALTER TABLE operator ADD COLUMN certificate_ttl_ms INTEGER NOT NULL DEFAULT 604800000 CHECK (certificate_ttl_ms BETWEEN 3600000 AND 2592000000);

  CREATE TABLE operator_key (
    fingerprint TEXT PRIMARY KEY CHECK (length(fingerprint) = 64),
    operator TEXT NOT NULL,
    login TEXT NOT NULL CHECK (length(login) = 36),
    state TEXT NOT NULL CHECK (state IN ('staged', 'current', 'old', 'revoked')),
    login_at_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX operator_key_current ON operator_key (login) WHERE state = 'current';
  CREATE INDEX operator_key_operator ON operator_key (operator, state);
  CREATE TRIGGER operator_key_stay_revoked BEFORE UPDATE OF state ON operator_key WHEN OLD.state = 'revoked' AND NEW.state <> 'revoked'
    BEGIN SELECT RAISE(ABORT, 'a revoked key is never good again'); END;

  CREATE TABLE login_token (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    operator TEXT NOT NULL REFERENCES operator (name) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL CHECK (expires_at_ms > created_at_ms),
    used_at_ms INTEGER
  ) STRICT;
  CREATE INDEX login_token_operator ON login_token (operator);
  `,
  // Letting go of hosts, and identities that two machines have.
  `
  ALTER TABLE generation ADD COLUMN released INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1));
  ALTER TABLE host ADD COLUMN quarantined_at_ms INTEGER;
  ALTER TABLE host ADD COLUMN quarantine TEXT NOT NULL DEFAULT '' CHECK ((quarantine = '') = (quarantined_at_ms IS NULL));
  `,
  // Links: how the coordinator reaches a host, where a host's guests reach the coordinator, and the list of children that each parent was last to be told.
  `
  ALTER TABLE host ADD COLUMN link TEXT NOT NULL DEFAULT 'direct' CHECK (link IN ('direct', 'parent', 'dial-out'))
    CHECK (link <> 'parent' OR state = 'retired' OR (parent_id IS NOT NULL AND address IS NOT NULL));
  ALTER TABLE host ADD COLUMN relay_address TEXT;
  CREATE INDEX host_relayed ON host (parent_id) WHERE link = 'parent';

  CREATE TABLE relay_list (
    host_id TEXT PRIMARY KEY REFERENCES host (id),
    children TEXT NOT NULL CHECK (json_valid(children))
  ) STRICT;
  `,
  `
  CREATE TABLE fleet_address (
    position INTEGER PRIMARY KEY CHECK (position BETWEEN 1 AND 8),
    address TEXT NOT NULL UNIQUE
  ) STRICT;
  INSERT INTO fleet_address SELECT 1, address FROM fleet;
  ALTER TABLE fleet DROP COLUMN address;
  ALTER TABLE fleet ADD COLUMN moved_version INTEGER NOT NULL DEFAULT 0 CHECK (moved_version >= 0);
  ALTER TABLE fleet ADD COLUMN moved_at_ms INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE fleet ADD COLUMN deny_version INTEGER NOT NULL DEFAULT 0 CHECK (deny_version >= 0);

  CREATE TABLE coordinator_key (
    fingerprint TEXT PRIMARY KEY CHECK (length(fingerprint) = 64),
    denied INTEGER NOT NULL DEFAULT 0 CHECK (denied IN (0, 1)),
    not_after_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TRIGGER coordinator_key_stay_denied BEFORE UPDATE OF denied ON coordinator_key WHEN OLD.denied = 1 AND NEW.denied = 0
    BEGIN SELECT RAISE(ABORT, 'a denied key is never good again'); END;
  `,
  keyTables,
  revocationTables,
  natTables,
  vhostTables,
  certTables,
  backupTables,
  containerTables,
  webLoginTables,
  alertTables,
  metricTables,
  alertIndexes,
];
