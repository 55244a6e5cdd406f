/**
 * The step of the schema that brings alerts: what is wrong for long enough, who is told of it, what is muted, and each message with what it tells. A cause has one
 * alert at a time. A message is stored before it is sent, and again when it was: after a crash in between the same one is sent again, under the same id.
 */
export const alertTables = `
  CREATE TABLE alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 32 AND kind NOT GLOB '*[^a-z-]*'),
    host_id TEXT REFERENCES host (id),
    subject TEXT NOT NULL CHECK (length(subject) <= 1500),
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 1500),
    text TEXT NOT NULL CHECK (length(text) <= 4000),
    since_ms INTEGER NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    folded TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(folded))
  ) STRICT;
  CREATE UNIQUE INDEX alert_open ON alert (kind, ifnull(host_id, ''), subject) WHERE ended_at_ms IS NULL;
  CREATE INDEX alert_ended ON alert (ended_at_ms) WHERE ended_at_ms IS NOT NULL;

  CREATE TABLE alert_mute (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    selector TEXT NOT NULL CHECK (length(selector) BETWEEN 1 AND 255),
    kinds TEXT NOT NULL CHECK (json_valid(kinds)),
    scope TEXT CHECK (json_valid(scope)),
    until_ms INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 400),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    since_ms INTEGER NOT NULL,
    CHECK (until_ms > since_ms)
  ) STRICT;
  CREATE INDEX alert_mute_until ON alert_mute (until_ms);

  CREATE TABLE alert_route (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    person TEXT REFERENCES person (name) ON DELETE CASCADE,
    webhook TEXT CHECK (length(webhook) BETWEEN 1 AND 1200),
    hook TEXT CHECK (length(hook) BETWEEN 1 AND 64),
    kinds TEXT NOT NULL CHECK (json_valid(kinds)),
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    selector TEXT NOT NULL CHECK (length(selector) <= 255),
    remind INTEGER NOT NULL CHECK (remind IN (0, 1)),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    CHECK ((person IS NOT NULL) + (webhook IS NOT NULL) + (hook IS NOT NULL) = 1)
  ) STRICT;
  CREATE INDEX alert_route_person ON alert_route (person) WHERE person IS NOT NULL;

  CREATE TABLE alert_message (
    id TEXT PRIMARY KEY CHECK (length(id) = 36),
    route_id INTEGER NOT NULL REFERENCES alert_route (id) ON DELETE CASCADE,
    made_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at_ms INTEGER NOT NULL,
    sent_at_ms INTEGER,
    dropped_at_ms INTEGER,
    problem TEXT NOT NULL DEFAULT '' CHECK (length(problem) <= 1000),
    CHECK (sent_at_ms IS NULL OR dropped_at_ms IS NULL)
  ) STRICT;
  CREATE UNIQUE INDEX alert_message_owed ON alert_message (route_id) WHERE sent_at_ms IS NULL AND dropped_at_ms IS NULL;
  CREATE INDEX alert_message_route ON alert_message (route_id, made_at_ms);

  CREATE TABLE alert_item (
    id INTEGER PRIMARY KEY,
    alert_id INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    route_id INTEGER NOT NULL REFERENCES alert_route (id) ON DELETE CASCADE,
    what TEXT NOT NULL CHECK (what IN ('open', 'remind', 'end')),
    owed_at_ms INTEGER NOT NULL,
    message_id TEXT REFERENCES alert_message (id) ON DELETE CASCADE
  ) STRICT;
  CREATE UNIQUE INDEX alert_item_once ON alert_item (alert_id, route_id, what) WHERE what <> 'remind';
  CREATE INDEX alert_item_waiting ON alert_item (route_id) WHERE message_id IS NULL;
  CREATE INDEX alert_item_message ON alert_item (message_id) WHERE message_id IS NOT NULL;

  CREATE TABLE alert_boot (
    host_id TEXT NOT NULL REFERENCES host (id),
    boot_id TEXT NOT NULL CHECK (length(boot_id) BETWEEN 1 AND 1024),
    seen_at_ms INTEGER NOT NULL,
    told INTEGER NOT NULL CHECK (told IN (0, 1)),
    PRIMARY KEY (host_id, boot_id)
  ) STRICT, WITHOUT ROWID;
  `;

/** What is told of an alert is looked up by the alert, and goes with it: without this each of ten thousand looked through all of them. */
export const alertIndexes = `
  CREATE INDEX alert_item_alert ON alert_item (alert_id, route_id);
  `;
