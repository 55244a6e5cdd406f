import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VhostInput } from '../../shared/gen/proto/reeve/type/v1/Vhost.js';
import { sha256 } from '../../shared/kit/digest.js';
import type { Logger } from '../../shared/kit/log.js';
import { parseVhost, type Vhost, type WireVhost } from '../../shared/model/vhost.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { appendWhole, makeFolder, removeWhole, syncFolder, writeWhole } from '../host/file.js';

/** A site that is not as wanted. */
export interface ParkedSite {
  readonly name: string;
  /** What the web server, or the policy, says. */
  readonly problem: string;
  /** It serves as it was before; else nothing of it does. */
  readonly before: boolean;
}

/** What has to be so before a set that was put in place is kept: on disk, so that an agent that dies in between looks at it again. */
export interface Trial {
  readonly operationId: string;
  /** The sites that were made. */
  readonly names: readonly string[];
  /** Their routes that answered before. */
  readonly worked: readonly { readonly name: string; readonly prefix: string; readonly status: number }[];
  /** It is only there to be compared with what is taken over, and never stays. */
  readonly shadow?: true;
}

/**
 * What the agent knows of the sites of its host beyond what the host itself has: that knows only digests of models. Models are kept by their own digest, so one that
 * is found is the one that a site was made from, whoever made it.
 */
export interface VhostStore {
  /** Something was made here, and not let go of. */
  readonly present: boolean;
  /** Models by their sha256, hexadecimal, as canonical JSON; those that are not known are not in it. */
  texts(shas: ReadonlySet<string>): ReadonlyMap<string, string>;
  /** Takes these models in; in time it forgets those that are neither among them nor among `keep`. */
  keepTexts(texts: ReadonlyMap<string, string>, keep: ReadonlySet<string>): void;
  readonly parked: readonly ParkedSite[];
  setParked(parked: readonly ParkedSite[]): void;
  readonly trial: Trial | undefined;
  setTrial(trial: Trial | undefined): void;
  /** No sites are managed any more. */
  forget(): void;
}

/** Models that may lie in the file without a need before it is written anew, beside as many as are needed. */
const spareModels = 100;

/** The model of a site from its canonical JSON, also of an older release that had fewer fields. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseModelText(text: string): Vhost {
  const codec = messageCodec<VhostInput, WireVhost>('reeve.type.v1.Vhost');
  return parseVhost(codec.decode(codec.encode(JSON.parse(text) as VhostInput)));
}

/** The store below a state folder. Damaged files count as none and are logged: the host is served without them, and the next change puts them right. */
export function openVhostStore(stateDir: string, log: Logger): VhostStore {
  const folder = join(stateDir, 'vhost');
  const [modelPath, statePath] = [join(folder, 'models'), join(folder, 'state.json')];
  let state = readState(statePath, log);
  let shas: Set<string> | undefined;
  const known = (): Set<string> => (shas ??= readShas(modelPath));
  const write = (next: typeof state): void => {
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    makeFolder(folder);
    writeWhole(statePath, `${JSON.stringify(next)}\n`);
    state = next;
  };
  return {
    get present() {
      return existsSync(modelPath);
    },
    texts: (shas) => readTexts(modelPath, shas),
    keepTexts(texts, keep) {
      const missing = [...texts].filter(([sha]) => !known().has(sha));
      const needed = new Set([...texts.keys(), ...keep]);
      if (known().size + missing.length <= 2 * needed.size + spareModels) {
        if (missing.length === 0) return;
        makeFolder(folder);
        // A line that was torn off by a crash ends here.
        appendWhole(modelPath, `\n${missing.map(lineOf).join('')}`);
      } else {
        makeFolder(folder);
        writeWhole(modelPath, [...texts, ...readTexts(modelPath, new Set([...keep].filter((sha) => !texts.has(sha))))].map(lineOf).join(''));
        shas = new Set([...known()].filter((sha) => needed.has(sha)));
      }
      for (const [sha] of missing) known().add(sha);
    },
    get parked() {
      return state.parked;
    },
    setParked: (parked) => write({ ...state, parked }),
    get trial() {
      return state.trial ?? undefined;
    },
    setTrial: (trial) => write({ ...state, trial: trial ?? null }),
    forget() {
      state = { parked: [], trial: null };
      shas = undefined;
      if (!existsSync(folder)) return;
      removeWhole(folder);
      syncFolder(stateDir);
    },
  };
}

/** A line each: the digest, a blank, the text. */
function lineOf([sha, text]: readonly [string, string]): string {
  return `${sha} ${text}\n`;
}

/** The digests of a file; what is torn is not among them. */
function readShas(path: string): Set<string> {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  return new Set(lines.flatMap((line) => (sha256(line.slice(65)).toString('hex') === line.slice(0, 64) ? [line.slice(0, 64)] : [])));
}

function readTexts(path: string, shas: ReadonlySet<string>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (shas.size === 0 || !existsSync(path)) return found;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [sha, text] = [line.slice(0, 64), line.slice(65)];
    if (shas.has(sha) && sha256(text).toString('hex') === sha) found.set(sha, text);
  }
  return found;
}

function readState(path: string, log: Logger): { readonly parked: readonly ParkedSite[]; readonly trial: Trial | null } {
  const none = { parked: [], trial: null };
  if (!existsSync(path)) return none;
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as { parked?: unknown; trial?: unknown };
    if (!Array.isArray(value.parked) || typeof value.trial !== 'object') throw new Error('it has not the fields it should have');
    return { parked: value.parked as readonly ParkedSite[], trial: value.trial as Trial | null };
  } catch (error) {
    log.error({ err: error, path }, 'what is stored of the sites of this host is damaged; the next change replaces it');
    return none;
  }
}
