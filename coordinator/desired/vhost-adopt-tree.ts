/** One directive of a file of the web server, as the agent tells it. */
export interface SiteDirective {
  /** From 1. */
  readonly line: number;
  /** How many blocks are around it. */
  readonly depth: number;
  /** Its name and its arguments. */
  readonly words: readonly string[];
  readonly block: boolean;
}

/** A directive with what stands in its block. */
export interface SiteNode {
  readonly line: number;
  readonly name: string;
  readonly args: readonly string[];
  readonly block: boolean;
  readonly children: readonly SiteNode[];
}

/** What does not fit the model. */
export interface Misfit {
  readonly line: number;
  /** The directive as it stands there. */
  readonly text: string;
  /** Why, or what becomes of it. */
  readonly reason: string;
  /** It changes what clients get. */
  readonly matters: boolean;
}

/** Where misfits are told. */
export interface Misfits {
  /** Something that changes what clients get. */
  lost(node: SiteNode, reason: string): void;
  /** Something that Reeve does in its own way, or not at all, without a difference for clients. */
  passed(node: SiteNode, reason?: string): void;
  /** All that was told, by line. */
  all(): Misfit[];
}

/** Longest text of a misfit, characters. */
const mostText = 200;

/** Directives as a tree. */
export function siteTree(directives: readonly SiteDirective[]): readonly SiteNode[] {
  const top: SiteNode[] = [];
  const open: SiteNode[][] = [top];
  for (const { line, depth, words, block } of directives) {
    const around = open[Math.min(depth, open.length - 1)] ?? top;
    const children: SiteNode[] = [];
    around.push({ line, name: words[0] ?? '', args: words.slice(1), block, children });
    open.length = Math.min(depth, open.length - 1) + 1;
    if (block) open.push(children);
  }
  return top;
}

/** A list of misfits; a directive is told once. */
export function createMisfits(): Misfits {
  const found = new Map<SiteNode, Misfit>();
  const tell = (node: SiteNode, reason: string, matters: boolean): void => {
    const before = found.get(node);
    if (before === undefined || (matters && !before.matters)) found.set(node, { line: node.line, text: textOf(node).slice(0, mostText), reason, matters });
  };
  return {
    lost: (node, reason) => tell(node, reason, true),
    passed: (node, reason = 'Reeve has a way of its own for it') => tell(node, reason, false),
    all: () => [...found.values()].sort((a, b) => a.line - b.line),
  };
}

/** A directive as it is written. */
function textOf({ name, args, block }: SiteNode): string {
  return `${[name, ...args.map((arg) => (/[\s;{}"']/.test(arg) || arg === '' ? JSON.stringify(arg) : arg))].join(' ')}${block ? ' {' : ';'}`;
}

/** The directives of a name. */
export function named(nodes: readonly SiteNode[], name: string): SiteNode[] {
  return nodes.filter((node) => node.name === name);
}

/** The last directive of a name: the one that counts where there may be one only. */
export function last(nodes: readonly SiteNode[], name: string): SiteNode | undefined {
  return named(nodes, name).at(-1);
}
