/** The two text formats that Prometheus reads: OpenMetrics 1.0 and its own 0.0.4. They differ in the names of types, and in an end. */
export type TextFormat = 'openmetrics' | 'prometheus';

/** A family of samples. */
export interface Metric {
  /** Without the `_total` of counters and the `_info` of infos, which come by themselves. */
  readonly name: string;
  readonly type: 'gauge' | 'counter' | 'info';
  /** A sentence, without a full stop. */
  readonly help: string;
}

/** What a monitoring system is told, family by family. */
export interface Exposition {
  /** Adds a sample. `labels` come from formatLabels. What is no finite number is left out. */
  add(metric: Metric, labels: string, value: number): void;
  /** The text, in pieces of moderate size. */
  pieces(): string[];
}

/** Value of the header Content-Type. */
export const contentTypes: Readonly<Record<TextFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
};

/** Lines of a family are joined when there are so many: strings of a few 10 KB are neither many nor long to write. */
const linesInPiece = 500;

/** Labels longer than this are cut, characters: what hosts say of themselves must not become an index of the monitoring system. */
const labelCharacters = 256;

/** Labels as text, `host="web1",mount="/"`. */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  const cut = value.length > labelCharacters ? value.slice(0, labelCharacters) : value;
  return /[\\"\n]/.test(cut) ? cut.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : cut;
}

/** An empty exposition. The families are in the order in which they were first added to. */
export function createExposition(format: TextFormat): Exposition {
  const families = new Map<Metric, { readonly sample: string; readonly pieces: string[]; lines: string[] }>();
  const familyOf = (metric: Metric): { readonly sample: string; readonly pieces: string[]; lines: string[] } => {
    const known = families.get(metric);
    if (known !== undefined) return known;
    const sample = metric.type === 'counter' ? `${metric.name}_total` : metric.type === 'info' ? `${metric.name}_info` : metric.name;
    const open = format === 'openmetrics';
    const made = { sample, pieces: [`# HELP ${open ? metric.name : sample} ${metric.help}.\n# TYPE ${open ? metric.name : sample} ${!open && metric.type === 'info' ? 'gauge' : metric.type}\n`], lines: [] };
    families.set(metric, made);
    return made;
  };
  const flush = (family: { pieces: string[]; lines: string[] }): void => {
    if (family.lines.length > 0) family.pieces.push(family.lines.join(''));
    family.lines = [];
  };
  return {
    add(metric, labels, value) {
      if (!Number.isFinite(value)) return;
      const family = familyOf(metric);
      family.lines.push(labels === '' ? `${family.sample} ${String(value)}\n` : `${family.sample}{${labels}} ${String(value)}\n`);
      if (family.lines.length >= linesInPiece) flush(family);
    },
    pieces() {
      for (const family of families.values()) flush(family);
      const pieces = [...families.values()].flatMap((family) => family.pieces);
      return format === 'openmetrics' ? [...pieces, '# EOF\n'] : pieces;
    },
  };
}
