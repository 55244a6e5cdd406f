/** A directive as nginx's own reader of configurations sees it. */
export interface Parsed {
  readonly words: readonly string[];
  readonly block: readonly Parsed[] | undefined;
}

/** Bytes that nginx reads at once (NGX_CONF_BUFFER): no word is longer. */
const bufferBytes = 4096;

/**
 * Reads a configuration by the rules of ngx_conf_read_token and ngx_conf_parse (src/core/ngx_conf_file.c of nginx 1.22), written from those, not from the serializer. Throws where nginx
 * would refuse.
 */
export function parseConf(text: string): readonly Parsed[] {
  return new ConfReader(text).block(0);
}

class ConfReader {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  block(depth: number): readonly Parsed[] {
    const rows: Parsed[] = [];
    for (;;) {
      const words: string[] = [];
      const end = this.statement(words);
      if (end === semicolon) rows.push({ words, block: undefined });
      else if (end === open) rows.push({ words, block: this.block(depth + 1) });
      else if (end === close) {
        if (depth === 0) throw new Error('unexpected "}"');
        return rows;
      } else if (depth > 0) throw new Error('unexpected end of file, expecting "}"');
      else return rows;
    }
  }

  /** Reads the words of one statement; answers the character that ended it, 0 for the end of the file. */
  private statement(words: string[]): number {
    const { text } = this;
    let at = this.at;
    let lastSpace = true;
    let comment = false;
    let escaped = false;
    let quote = 0;
    let needSpace = false;
    let variable = false;
    let start = 0;
    while (at < text.length) {
      const ch = text.charCodeAt(at);
      at += 1;
      // What means something only elsewhere is most of a file.
      if (!lastSpace && !needSpace && !comment && !escaped && isPlain(ch)) {
        variable = false;
        continue;
      }
      if (ch === lineFeed && comment) comment = false;
      if (comment) continue;
      if (escaped) {
        escaped = false;
        continue;
      }
      if (needSpace) {
        if (isSpace(ch)) {
          lastSpace = true;
          needSpace = false;
          continue;
        }
        if (ch === semicolon || ch === open) {
          this.at = at;
          return ch;
        }
        if (ch !== closeRound) throw new Error(`unexpected "${String.fromCharCode(ch)}" behind a quote`);
        lastSpace = true;
        needSpace = false;
      }
      if (lastSpace) {
        start = at - 1;
        if (isSpace(ch)) continue;
        if (ch === semicolon || ch === open) {
          if (words.length === 0) throw new Error('unexpected ";" or "{"');
          this.at = at;
          return ch;
        }
        if (ch === close) {
          if (words.length > 0) throw new Error('unexpected "}"');
          this.at = at;
          return ch;
        }
        if (ch === sharp) {
          comment = true;
          continue;
        }
        lastSpace = false;
        if (ch === backslash) escaped = true;
        else if (ch === double || ch === single) {
          start += 1;
          quote = ch;
        } else if (ch === dollar) variable = true;
        continue;
      }
      if (ch === open && variable) continue;
      variable = false;
      if (ch === backslash) {
        escaped = true;
        continue;
      }
      if (ch === dollar) {
        variable = true;
        continue;
      }
      if (quote !== 0) {
        if (ch !== quote) continue;
        quote = 0;
        needSpace = true;
      } else if (isSpace(ch) || ch === semicolon || ch === open) lastSpace = true;
      else continue;
      words.push(unescape(text.slice(start, at - 1)));
      if (ch === semicolon || ch === open) {
        this.at = at;
        return ch;
      }
    }
    if (words.length > 0 || !lastSpace) throw new Error('unexpected end of file, expecting ";" or "}"');
    this.at = at;
    return 0;
  }
}

const [lineFeed, semicolon, open, close, closeRound, sharp, backslash, double, single, dollar] = [10, 59, 123, 125, 41, 35, 92, 34, 39, 36];

/** Letters, digits and all that nothing below looks for. */
function isPlain(ch: number): boolean {
  return (ch >= 97 && ch <= 122) || (ch >= 45 && ch <= 58) || (ch >= 65 && ch <= 90) || ch === 95;
}

function isSpace(ch: number): boolean {
  return ch === 32 || ch === 9 || ch === 13 || ch === 10;
}

/** As words are copied; others than these stay with their backslash. */
function unescape(raw: string): string {
  if (raw.length * 4 >= bufferBytes && Buffer.byteLength(raw) + 2 >= bufferBytes) throw new Error('too long parameter');
  if (!raw.includes('\\')) return raw;
  let word = '';
  for (let at = 0; at < raw.length; at += 1) {
    const next = raw[at] === '\\' ? raw[at + 1] : undefined;
    const meant = next === '"' || next === "'" || next === '\\' ? next : next === 't' ? '\t' : next === 'r' ? '\r' : next === 'n' ? '\n' : undefined;
    word += meant ?? raw[at] ?? '';
    if (meant !== undefined) at += 1;
  }
  return word;
}

/** A word with variables, as ngx_http_script_compile takes it apart: text and `$name` in turns, `$reeve_dollar` as the "$" it holds. */
export function interpolate(word: string): readonly (string | { readonly name: string })[] {
  const parts: (string | { name: string })[] = [];
  const add = (text: string): void => {
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + text;
    else if (text !== '') parts.push(text);
  };
  let at = 0;
  while (at < word.length) {
    const dollar = word.indexOf('$', at);
    if (dollar < 0) {
      add(word.slice(at));
      break;
    }
    add(word.slice(at, dollar));
    const braced = word[dollar + 1] === '{';
    const from = dollar + (braced ? 2 : 1);
    let end = from;
    while (/[A-Za-z0-9_]/.test(word[end] ?? '')) end += 1;
    const name = word.slice(from, end);
    if (name === '' || (braced && word[end] !== '}')) throw new Error(`invalid variable name in "${word}"`);
    if (/^[0-9]/.test(name)) throw new Error(`a capture in "${word}"`);
    if (name === 'reeve_dollar') add('$');
    else parts.push({ name });
    at = end + (braced ? 1 : 0);
  }
  return parts;
}

/** A word that nginx takes as text with variables, and that has none. */
export function literal(word: string): string {
  const parts = interpolate(word);
  if (parts.length === 0) return '';
  const [only] = parts;
  if (parts.length > 1 || typeof only !== 'string') throw new Error(`a variable in "${word}"`);
  return only;
}

/** A word with variables as people write it: `https://$host`; a "$" of the data is `$$`. */
export function shape(word: string): string {
  return interpolate(word).map((part) => (typeof part === 'string' ? part.replaceAll('$', '$$$$') : `$${part.name}`)).join('');
}

/** A word where nginx replaces nothing. */
export function verbatim(word: string): string {
  if (word.includes('$')) throw new Error(`a "$" where nginx replaces nothing: "${word}"`);
  return word;
}
