/** A variable of nginx, or text that is meant as it stands. */
export type Part = string | { readonly variable: string };

/** An argument of a directive. */
export type Argument =
  /** A fixed word, a number or a variable: never data. Written as it is. */
  | { readonly kind: 'word'; readonly word: string }
  /** Data, where nginx replaces variables: a "$" of the data is written as a variable that holds one. */
  | { readonly kind: 'text'; readonly parts: readonly Part[] }
  /** Data or a regular expression, where nginx replaces nothing: it has no "$". */
  | { readonly kind: 'plain'; readonly text: string };

/** A directive, with a block or without. */
export interface Directive {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Only of `if`, which has no other arguments. */
  readonly condition?: { readonly variable: string; readonly operator: '=' | '!=' | '~' | '!~'; readonly operand: Argument };
  readonly block?: readonly Directive[];
}

/** Words that are written without quotes; nothing in them means anything to nginx's own reader of words. */
const wordPattern = /^(?:=|\^~|~\*|[A-Za-z0-9@$/.\-[=](?:[A-Za-z0-9_@$/.:\-\]=]*))$/;
const namePattern = /^[a-z][a-z0-9_]*$/;
const variablePattern = /^[a-z][a-z0-9_]*$/;

/** Longest word that nginx reads, bytes with its quotes (NGX_CONF_BUFFER of ngx_conf_file.c is 4096). */
const mostWordBytes = 4094;

/** A fixed word. */
export function word(text: string | number): Argument {
  return { kind: 'word', word: String(text) };
}

/** Text and variables in one argument. */
export function text(...parts: readonly Part[]): Argument {
  return { kind: 'text', parts };
}

/** Text without variables, where nginx replaces none. */
export function plain(data: string): Argument {
  return { kind: 'plain', text: data };
}

/** A variable as part of a text, or alone. */
export function variable(name: string): { readonly variable: string } {
  return { variable: name };
}

/** A directive; strings and numbers among its arguments are fixed words. */
export function directive(name: string, ...args: readonly (Argument | string | number)[]): Directive {
  return { name, args: args.map((arg) => (typeof arg === 'object' ? arg : word(arg))) };
}

/** A directive with a block. */
export function block(name: string, args: readonly (Argument | string)[], inside: readonly Directive[]): Directive {
  return { ...directive(name, ...args), block: inside };
}

/** `if ($variable operator operand) { return code; }`: the one use of `if` inside a location that has no surprises. */
export function returnIf(name: string, operator: '=' | '!=' | '~' | '!~', operand: Argument, code: number): Directive {
  return { name: 'if', args: [], condition: { variable: name, operator, operand }, block: [directive('return', code)] };
}

/** Directives as nginx reads them. Throws RangeError for what must not be in them: the model has refused it before. */
export function serialize(directives: readonly Directive[], depth = 0): string {
  return directives.map((row) => serializeDirective(row, depth)).join('');
}

function serializeDirective({ name, args, condition, block: inside }: Directive, depth: number): string {
  if (!namePattern.test(name)) throw new RangeError(`"${name}" is no name of a directive`);
  const indent = '    '.repeat(depth);
  const test = condition === undefined ? [] : [`($${checkVariable(condition.variable)} ${condition.operator} ${serializeArgument(condition.operand)})`];
  const head = [name, ...test, ...args.map(serializeArgument)].join(' ');
  if (inside === undefined) return `${indent}${head};\n`;
  return inside.length === 0 ? `${indent}${head} { }\n` : `${indent}${head} {\n${serialize(inside, depth + 1)}${indent}}\n`;
}

function serializeArgument(argument: Argument): string {
  switch (argument.kind) {
    case 'word':
      if (!wordPattern.test(argument.word)) throw new RangeError(`"${argument.word}" is no word that goes without quotes`);
      return argument.word;
    case 'plain':
      if (argument.text.includes('$')) throw new RangeError(`"${argument.text}" cannot have a "$"`);
      return quote(escape(argument.text));
    case 'text':
      return quote(serializeParts(argument.parts));
  }
}

/** Variables are written in braces where a letter, digit or "_" follows. */
function serializeParts(parts: readonly Part[]): string {
  return parts.map((part, index) => {
    if (typeof part === 'string') return escape(part).replaceAll('$', '${reeve_dollar}');
    const next = parts[index + 1];
    const joined = typeof next === 'string' && /^[A-Za-z0-9_]/.test(next);
    return joined ? `\${${checkVariable(part.variable)}}` : `$${checkVariable(part.variable)}`;
  }).join('');
}

function checkVariable(name: string): string {
  if (!variablePattern.test(name)) throw new RangeError(`"${name}" is no name of a variable`);
  return name;
}

/** ngx_conf_read_token takes `\"` for a quote and `\\` for a backslash inside of quotes. */
function escape(data: string): string {
  if (/[\0-\x1f\x7f]/.test(data)) throw new RangeError('control characters cannot be in a configuration');
  return data.replace(/["\\]/g, '\\$&');
}

function quote(escaped: string): string {
  const written = `"${escaped}"`;
  // A character has three bytes at most for each of its UTF-16 units.
  if (written.length * 3 > mostWordBytes && new TextEncoder().encode(written).length > mostWordBytes) throw new RangeError('a word is longer than nginx reads');
  return written;
}
