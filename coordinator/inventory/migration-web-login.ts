/**
 * The step of the schema that brings logins to the status page. A login is of the person or the operator of its name, and goes with the last of the two: whoever gets
 * that name later is somebody else. Of a session there is only the hash of its token.
 */
export const webLoginTables = `
  CREATE TABLE web_login (
    name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63),
    cost INTEGER NOT NULL CHECK (cost BETWEEN 16384 AND 1048576),
    block INTEGER NOT NULL CHECK (block BETWEEN 8 AND 32),
    parallel INTEGER NOT NULL CHECK (parallel BETWEEN 1 AND 16),
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    totp_secret BLOB CHECK (length(totp_secret) = 20),
    totp_step INTEGER NOT NULL DEFAULT 0 CHECK (totp_step >= 0),
    set_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER
  ) STRICT;

  CREATE TABLE web_session (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    login TEXT NOT NULL REFERENCES web_login (name) ON DELETE CASCADE,
    made_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER NOT NULL,
    ends_at_ms INTEGER NOT NULL CHECK (ends_at_ms > made_at_ms)
  ) STRICT;
  CREATE INDEX web_session_login ON web_session (login, used_at_ms);

  CREATE TRIGGER web_login_person_gone AFTER DELETE ON person BEGIN
    DELETE FROM web_session WHERE login = OLD.name;
    DELETE FROM web_login WHERE name = OLD.name AND NOT EXISTS (SELECT 1 FROM operator WHERE operator.name = OLD.name);
  END;
  CREATE TRIGGER web_login_operator_gone AFTER DELETE ON operator BEGIN
    DELETE FROM web_session WHERE login = OLD.name;
    DELETE FROM web_login WHERE name = OLD.name AND NOT EXISTS (SELECT 1 FROM person WHERE person.name = OLD.name);
  END;
  CREATE TRIGGER web_session_person_inactive AFTER UPDATE OF active ON person WHEN NEW.active = 0 BEGIN
    DELETE FROM web_session WHERE login = NEW.name;
  END;
  CREATE TRIGGER web_session_operator_disabled AFTER UPDATE OF disabled ON operator WHEN NEW.disabled = 1 BEGIN
    DELETE FROM web_session WHERE login = NEW.name;
  END;
  `;
