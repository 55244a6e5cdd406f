/** A name of a site: a domain name in lower case, or "*." and one. */
const nameRule = (column: string): string => `${column} TEXT NOT NULL CHECK (length(${column}) BETWEEN 3 AND 253 AND ${column} NOT GLOB '*[^a-z0-9.*-]*' AND ltrim(${column}, '*') NOT GLOB '*[*]*')`;

/** A forward of TCP that takes what comes for a place where a site listens. */
const takes = (forward: string, listen: string): string => `${forward}.host_id = ${listen}.host_id AND ${forward}.protocol = 'tcp' AND ${listen}.port BETWEEN ${forward}.first_port AND ${forward}.last_port
    AND (${listen}.address = '' OR ((${forward}.family = 6) = (instr(${listen}.address, ':') > 0) AND coalesce(${forward}.listen_address <> ${listen}.address, 0) = 0))`;

/** A trigger that refuses a forward which takes the port of a site; its message ends with the number of that one. */
const spareSites = (when: string): string => `
  CREATE TRIGGER nat_forward_vhost_${when.slice(0, 6).toLowerCase()} BEFORE ${when} ON nat_forward WHEN EXISTS (SELECT 1 FROM vhost_listen AS listen WHERE ${takes('NEW', 'listen')})
    BEGIN SELECT RAISE(ABORT, 'nat_forward meets site ' || (SELECT min(listen.vhost_id) FROM vhost_listen AS listen WHERE ${takes('NEW', 'listen')})); END;`;

/**
 * The step of the schema that brings the web front. A name is of one site of a host. A port of a host is either with TLS or without, and either on all addresses or on
 * single ones (the web server would answer nothing of a site on all addresses at an address that another names): vhost_port says which, and all that listens refers to it.
 */
export const vhostTables = `
  CREATE TABLE vhost (
    id INTEGER PRIMARY KEY,
    host_id TEXT NOT NULL REFERENCES host (id),
    ${nameRule('name')},
    model TEXT NOT NULL CHECK (length(model) <= 2097152 AND json_valid(model)),
    cert TEXT CHECK (length(cert) BETWEEN 1 AND 64 AND cert GLOB '[a-z0-9]*' AND cert NOT GLOB '*[^a-z0-9._-]*'),
    overwrite INTEGER NOT NULL DEFAULT 0 CHECK (overwrite IN (0, 1)),
    take_over TEXT CHECK (length(take_over) BETWEEN 2 AND 4096 AND take_over GLOB '/*'),
    accept_differences INTEGER NOT NULL DEFAULT 0 CHECK (accept_differences IN (0, 1)),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 1),
    UNIQUE (host_id, name),
    UNIQUE (id, host_id)
  ) STRICT;
  CREATE INDEX vhost_cert ON vhost (host_id, cert) WHERE cert IS NOT NULL;

  CREATE TABLE vhost_name (
    host_id TEXT NOT NULL,
    ${nameRule('name')},
    vhost_id INTEGER NOT NULL,
    PRIMARY KEY (host_id, name),
    FOREIGN KEY (vhost_id, host_id) REFERENCES vhost (id, host_id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX vhost_name_of ON vhost_name (vhost_id);

  CREATE TABLE vhost_port (
    host_id TEXT NOT NULL REFERENCES host (id),
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535 AND port NOT BETWEEN 7420 AND 7424),
    tls INTEGER NOT NULL CHECK (tls IN (0, 1)),
    single INTEGER NOT NULL CHECK (single IN (0, 1)),
    PRIMARY KEY (host_id, port),
    UNIQUE (host_id, port, tls, single)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE vhost_listen (
    vhost_id INTEGER NOT NULL,
    host_id TEXT NOT NULL,
    address TEXT NOT NULL CHECK (length(address) <= 39 AND address NOT GLOB '*[^0-9a-f.:]*'),
    port INTEGER NOT NULL,
    tls INTEGER NOT NULL,
    single INTEGER NOT NULL CHECK (single = (address <> '')),
    default_server INTEGER NOT NULL CHECK (default_server IN (0, 1)),
    PRIMARY KEY (vhost_id, address, port),
    FOREIGN KEY (vhost_id, host_id) REFERENCES vhost (id, host_id) ON DELETE CASCADE,
    FOREIGN KEY (host_id, port, tls, single) REFERENCES vhost_port (host_id, port, tls, single)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX vhost_listen_port ON vhost_listen (host_id, port);
  CREATE UNIQUE INDEX vhost_listen_default ON vhost_listen (host_id, address, port) WHERE default_server = 1;

  CREATE TABLE vhost_upstream (
    vhost_id INTEGER NOT NULL REFERENCES vhost (id) ON DELETE CASCADE,
    to_host_id TEXT NOT NULL REFERENCES host (id),
    PRIMARY KEY (vhost_id, to_host_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX vhost_upstream_to ON vhost_upstream (to_host_id);

  CREATE TABLE vhost_parked (
    vhost_id INTEGER PRIMARY KEY REFERENCES vhost (id) ON DELETE CASCADE,
    problem TEXT NOT NULL CHECK (length(problem) BETWEEN 1 AND 4096),
    serves_before INTEGER NOT NULL CHECK (serves_before IN (0, 1)),
    since_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TRIGGER vhost_listen_forwarded BEFORE INSERT ON vhost_listen WHEN EXISTS (SELECT 1 FROM nat_forward AS forward WHERE ${takes('forward', 'NEW')})
    BEGIN SELECT RAISE(ABORT, 'vhost_listen meets forward ' || (SELECT min(forward.id) FROM nat_forward AS forward WHERE ${takes('forward', 'NEW')})); END;
  ${spareSites('INSERT')}
  ${spareSites('UPDATE OF host_id, family, protocol, listen_address, first_port, last_port')}
  `;
