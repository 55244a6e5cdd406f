/** The token with which the metrics listener is read: its hash, and at most one. */
export const metricTables = `
  CREATE TABLE metric_token (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    made_at_ms INTEGER NOT NULL
  ) STRICT;
  `;
