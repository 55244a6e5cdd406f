/** The empty module that package builds have in place of failpoint.ts. */
export function failpoint(_name: string): void {
  // Nothing: package builds cannot be made to die.
}
