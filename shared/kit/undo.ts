/** A list of steps that take back what has been done, run backwards. Register each right after the step it takes back succeeded. */
export interface UndoList {
  /** Registers how to take back the step that just succeeded. */
  push(what: string, undo: () => Promise<void>): void;
  /** Takes everything back, newest first; goes on after a failure. Answers what could not be taken back. */
  run(): Promise<readonly { what: string; error: unknown }[]>;
}

/** A new, empty undo list. */
export function createUndoList(): UndoList {
  const steps: { what: string; undo: () => Promise<void> }[] = [];
  return {
    push(what, undo) {
      steps.push({ what, undo });
    },
    async run() {
      const failed: { what: string; error: unknown }[] = [];
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        try {
          await step.undo();
        } catch (error) {
          failed.push({ what: step.what, error });
        }
      }
      return failed;
    },
  };
}
