import { ReeveError } from '../../shared/errors/error.js';
import type { ContainerHost as WireHost } from '../../shared/gen/proto/reeve/type/v1/ContainerHost.js';
import type { ObservedContainer as WireObserved, ObservedContainerInput } from '../../shared/gen/proto/reeve/type/v1/ObservedContainer.js';
import { formatContainerSpec, parseContainerSpec, type ContainerSpec } from '../../shared/model/container.js';
import { mostContainer } from '../../shared/model/container-field.js';
import { containerStates, type ObservedContainer as SeenContainer } from '../../shared/model/container-state.js';

/** A container as its host says, checked. Its texts stay hostile, also that of its engine; `health`: empty where nobody says. */
export type ObservedContainer = Omit<SeenContainer, 'engine' | 'specSha' | 'fresh'> & { readonly engine: string; readonly health: string };

/** Most containers of one host that are listened to: its own, and as many of others. */
const mostObserved = 2 * mostContainer.perHost;

/** Longest texts of a host, characters. */
const longest = { name: 255, text: 1024 } as const;

const whole = (value: number): number => (Number.isSafeInteger(value) && value >= 0 ? value : 0);

/** Containers as a host says, by name, each once. What has no name or no known state is left out. */
export function parseObservedContainers(wire: readonly WireObserved[]): readonly ObservedContainer[] {
  const byName = new Map(wire.slice(0, mostObserved).flatMap((one) => {
    const observed = parseObserved(one);
    return observed === undefined ? [] : [[observed.name, observed] as const];
  }));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parseObserved(wire: WireObserved): ObservedContainer | undefined {
  const state = containerStates.find((known) => known === wire.state);
  if (state === undefined || wire.name === '') return undefined;
  const text = (value: string): string => value.slice(0, longest.text);
  const name = (value: string): string => value.slice(0, longest.name);
  return {
    name: name(wire.name), engine: name(wire.engine), managed: wire.managed, spec: specOf(wire), state, reason: text(wire.reason), boot: wire.boot, edited: text(wire.edited), health: name(wire.health),
    sinceMs: whole(wire.sinceMs), pid: whole(wire.pid), cpuUs: whole(wire.cpuUs), memory: whole(wire.memory), memoryMax: whole(wire.memoryMax), memoryCounted: wire.memoryCounted, tasks: whole(wire.tasks),
    disk: whole(wire.disk), image: text(wire.image), address: name(wire.address), bridge: name(wire.bridge), id: whole(wire.id), unit: name(wire.unit), pending: wire.pending,
  };
}

function specOf({ spec }: WireObserved): ContainerSpec | undefined {
  if (spec === null) return undefined;
  try {
    return parseContainerSpec(spec);
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  }
}

/** One as the wire has it. */
export function formatObservedContainer({ spec, ...rest }: ObservedContainer): ObservedContainerInput {
  return { ...rest, ...(spec === undefined ? {} : { spec: formatContainerSpec(spec) }) };
}

/** What a host offers, cut to what one can offer. */
export function parseContainerHost(wire: WireHost | null): { engines: string[]; ignoredLimits: string[] } {
  const short = (values: readonly string[]): string[] => values.slice(0, 8).map((value) => value.slice(0, 32));
  return { engines: short(wire?.engines ?? []), ignoredLimits: short(wire?.ignoredLimits ?? []) };
}
