/**
 * The step of the schema that brings containers. A spec is the canonical text of shared/model/container-text.ts, which names secrets by version and has no value of
 * one. A row that asks for removal or release stays until its host has done it. What is kept is what its host has made last: where a change was taken back, so is the row.
 */
export const containerTables = `
  CREATE TABLE container (
    host_id TEXT NOT NULL REFERENCES host (id),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63 AND name GLOB '[a-z0-9]*' AND name NOT GLOB '*[^a-z0-9-]*' AND name NOT IN ('host', 'none')),
    presence TEXT NOT NULL CHECK (presence IN ('present', 'absent', 'released')),
    engine TEXT CHECK (engine IN ('podman', 'lxc', 'pct')),
    spec TEXT CHECK (length(CAST(spec AS BLOB)) BETWEEN 1 AND 65536 AND spec GLOB 'container 1' || char(10) || 'engine=' || engine || char(10) || '*' || char(10)),
    tag TEXT NOT NULL DEFAULT '' CHECK (length(tag) <= 128 AND tag NOT GLOB '*[^A-Za-z0-9_.-]*' AND (tag = '' OR engine = 'podman')),
    overwrite INTEGER NOT NULL DEFAULT 0 CHECK (overwrite IN (0, 1) AND (overwrite = 0 OR presence = 'present')),
    adopt INTEGER NOT NULL DEFAULT 0 CHECK (adopt IN (0, 1) AND (adopt = 0 OR presence = 'present')),
    remove_volumes INTEGER NOT NULL DEFAULT 0 CHECK (remove_volumes IN (0, 1) AND (remove_volumes = 0 OR presence = 'absent')),
    by TEXT NOT NULL CHECK (length(by) BETWEEN 1 AND 255),
    added_at_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 1),
    kept_spec TEXT CHECK (length(CAST(kept_spec AS BLOB)) BETWEEN 1 AND 65536 AND kept_spec GLOB 'container 1' || char(10) || 'engine=*' || char(10)),
    kept_tag TEXT CHECK (length(kept_tag) <= 128 AND kept_tag NOT GLOB '*[^A-Za-z0-9_.-]*'),
    kept_generation INTEGER CHECK (kept_generation BETWEEN 1 AND generation),
    PRIMARY KEY (host_id, name),
    CHECK ((kept_spec IS NULL) = (kept_tag IS NULL) AND (kept_spec IS NULL) = (kept_generation IS NULL)),
    CHECK ((presence = 'present') = (spec IS NOT NULL) AND (spec IS NULL) = (engine IS NULL))
  ) STRICT;
  `;
