/** The step of the schema that brings who may log in: persons, their keys, groups, grants, owners; what each host was last told of it, and who could log in when. */
export const keyTables = `
  CREATE TABLE person (
    name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63 AND name GLOB '[a-z]*' AND name NOT GLOB '*[^a-z0-9._-]*'),
    display_name TEXT NOT NULL DEFAULT '' CHECK (length(display_name) <= 100),
    mail TEXT NOT NULL DEFAULT '' CHECK (length(mail) <= 254),
    active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    expires_at_ms INTEGER CHECK (expires_at_ms BETWEEN 1000 AND 253402300799000 AND expires_at_ms % 1000 = 0),
    created_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE ssh_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE CHECK (length(fingerprint) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    type TEXT NOT NULL CHECK (type IN ('ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa', 'sk-ssh-ed25519@openssh.com',
      'sk-ecdsa-sha2-nistp256@openssh.com')),
    base64 TEXT NOT NULL CHECK (length(base64) BETWEEN 40 AND 8192 AND base64 NOT GLOB '*[^A-Za-z0-9+/=]*'),
    comment TEXT NOT NULL DEFAULT '' CHECK (length(comment) <= 128),
    person TEXT REFERENCES person (name) ON DELETE CASCADE,
    host_id TEXT REFERENCES host (id),
    user TEXT CHECK (length(user) BETWEEN 1 AND 31),
    flags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(flags) AND json_type(flags) = 'array'),
    networks TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(networks) AND json_type(networks) = 'array'),
    expires_at_ms INTEGER CHECK (expires_at_ms BETWEEN 1000 AND 253402300799000 AND expires_at_ms % 1000 = 0),
    added_at_ms INTEGER NOT NULL,
    CHECK ((person IS NULL) = (host_id IS NOT NULL)),
    CHECK ((host_id IS NULL) = (user IS NULL))
  ) STRICT;
  CREATE INDEX ssh_key_person ON ssh_key (person) WHERE person IS NOT NULL;
  CREATE INDEX ssh_key_host ON ssh_key (host_id, user) WHERE host_id IS NOT NULL;

  CREATE TABLE key_group (
    name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63 AND name GLOB '[a-z]*' AND name NOT GLOB '*[^a-z0-9._-]*'),
    comment TEXT NOT NULL DEFAULT '' CHECK (length(comment) <= 200),
    created_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE group_member (
    key_group TEXT NOT NULL REFERENCES key_group (name) ON DELETE CASCADE,
    person TEXT REFERENCES person (name) ON DELETE CASCADE,
    host_id TEXT REFERENCES host (id),
    key_id INTEGER REFERENCES ssh_key (id) ON DELETE CASCADE,
    expires_at_ms INTEGER CHECK (expires_at_ms BETWEEN 1000 AND 253402300799000 AND expires_at_ms % 1000 = 0),
    added_at_ms INTEGER NOT NULL,
    CHECK ((person IS NOT NULL) + (host_id IS NOT NULL) + (key_id IS NOT NULL) = 1)
  ) STRICT;
  CREATE INDEX group_member_group ON group_member (key_group);
  CREATE UNIQUE INDEX group_member_person ON group_member (person, key_group) WHERE person IS NOT NULL;
  CREATE UNIQUE INDEX group_member_host ON group_member (host_id, key_group) WHERE host_id IS NOT NULL;
  CREATE UNIQUE INDEX group_member_key ON group_member (key_id, key_group) WHERE key_id IS NOT NULL;

  CREATE TABLE access_grant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    person TEXT REFERENCES person (name) ON DELETE CASCADE,
    key_group TEXT REFERENCES key_group (name),
    key_id INTEGER REFERENCES ssh_key (id) ON DELETE CASCADE,
    host_id TEXT REFERENCES host (id),
    label_key TEXT,
    label_value TEXT,
    user TEXT CHECK (length(user) BETWEEN 1 AND 31),
    expires_at_ms INTEGER CHECK (expires_at_ms BETWEEN 1000 AND 253402300799000 AND expires_at_ms % 1000 = 0),
    reason TEXT NOT NULL DEFAULT '' CHECK (length(reason) <= 400),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    created_at_ms INTEGER NOT NULL,
    CHECK ((person IS NOT NULL) + (key_group IS NOT NULL) + (key_id IS NOT NULL) = 1),
    CHECK ((label_key IS NULL) = (label_value IS NULL)),
    CHECK (host_id IS NULL OR label_key IS NULL)
  ) STRICT;
  CREATE UNIQUE INDEX access_grant_same ON access_grant (coalesce(person, ''), coalesce(key_group, ''), coalesce(key_id, 0), coalesce(host_id, ''), coalesce(label_key, ''),
    coalesce(label_value, ''), coalesce(user, ''));
  CREATE INDEX access_grant_person ON access_grant (person) WHERE person IS NOT NULL;
  CREATE INDEX access_grant_group ON access_grant (key_group) WHERE key_group IS NOT NULL;
  CREATE INDEX access_grant_key ON access_grant (key_id) WHERE key_id IS NOT NULL;
  CREATE INDEX access_grant_host ON access_grant (host_id) WHERE host_id IS NOT NULL;
  CREATE INDEX access_grant_label ON access_grant (label_key, label_value) WHERE label_key IS NOT NULL;
  CREATE INDEX access_grant_all ON access_grant (id) WHERE host_id IS NULL AND label_key IS NULL;

  CREATE TABLE host_owner (
    host_id TEXT NOT NULL REFERENCES host (id),
    person TEXT NOT NULL REFERENCES person (name) ON DELETE CASCADE,
    added_at_ms INTEGER NOT NULL,
    PRIMARY KEY (host_id, person)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX host_owner_person ON host_owner (person);

  CREATE TABLE break_glass (
    host_id TEXT NOT NULL REFERENCES host (id),
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    added_at_ms INTEGER NOT NULL,
    PRIMARY KEY (host_id, fingerprint)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE key_exclusive (
    host_id TEXT NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (host_id, user),
    FOREIGN KEY (host_id, user) REFERENCES user (host_id, name) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE key_list (
    host_id TEXT PRIMARY KEY REFERENCES host (id),
    content BLOB CHECK (length(content) = 32),
    resolved_at_ms INTEGER NOT NULL,
    due_at_ms INTEGER CHECK (due_at_ms > resolved_at_ms),
    forced INTEGER NOT NULL DEFAULT 0 CHECK (forced >= 0),
    released INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
    CHECK ((released = 1) = (content IS NULL)),
    CHECK (released = 0 OR due_at_ms IS NULL)
  ) STRICT;
  CREATE INDEX key_list_due ON key_list (due_at_ms) WHERE due_at_ms IS NOT NULL;

  CREATE TABLE key_removed (
    host_id TEXT NOT NULL REFERENCES host (id),
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    purge INTEGER NOT NULL CHECK (purge IN (0, 1)),
    end_sessions INTEGER NOT NULL CHECK (end_sessions IN (0, 1)),
    generation INTEGER NOT NULL CHECK (generation >= 1),
    PRIMARY KEY (host_id, fingerprint)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE access_place (
    id INTEGER PRIMARY KEY,
    host_id TEXT NOT NULL REFERENCES host (id),
    user TEXT NOT NULL CHECK (length(user) BETWEEN 1 AND 31),
    UNIQUE (host_id, user)
  ) STRICT;

  CREATE TABLE access_key (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    owner TEXT NOT NULL CHECK (owner <> '')
  ) STRICT;
  CREATE INDEX access_key_owner ON access_key (owner);

  CREATE TABLE access_span (
    place INTEGER NOT NULL REFERENCES access_place (id),
    key INTEGER NOT NULL REFERENCES access_key (id),
    opened_at_ms INTEGER NOT NULL,
    why TEXT NOT NULL CHECK (why <> ''),
    ends_at_ms INTEGER,
    closed_at_ms INTEGER CHECK (closed_at_ms > opened_at_ms),
    PRIMARY KEY (place, key, opened_at_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX access_span_open ON access_span (place, key) WHERE closed_at_ms IS NULL;
  CREATE INDEX access_span_key ON access_span (key);
  CREATE INDEX access_span_closed ON access_span (closed_at_ms) WHERE closed_at_ms IS NOT NULL;
  `;
