/** A path inside a regular expression. Of what a path of the model can have only "." means something there. */
export function escapeRegex(path: string): string {
  return path.replaceAll('.', '\\.');
}

/** Takes apart a path below a prefix; $reeve_rest is what is behind it, from its "/" on. `(?s)`: a decoded path can have line ends. */
export function afterPrefix(prefix: string): string {
  return `(?s)^${escapeRegex(prefix)}(?<reeve_rest>/.*)`;
}

/** The folder of a prefix as a location has it: `/app/`, or `/`. */
export function below(prefix: string): string {
  return prefix === '/' ? '/' : `${prefix}/`;
}
