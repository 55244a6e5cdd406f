import type { FieldChange } from '../../shared/model/change.js';
import type { RelayChild } from '../../shared/model/relay.js';

/** The fields in which a child differs from what is wanted; without a child before it is new. */
export function renderFields(before: RelayChild | undefined, after: RelayChild): readonly FieldChange[] {
  const rows: FieldChange[] = [
    { field: 'name', from: before?.name ?? '', to: after.name },
    { field: 'address', from: before?.address ?? '', to: after.address },
    { field: 'port', from: before === undefined ? '' : String(before.port), to: String(after.port) },
  ];
  return rows.filter((row) => row.from !== row.to);
}
