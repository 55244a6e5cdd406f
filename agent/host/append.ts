import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, moveWhole, removeWhole, syncFolder } from './file.js';

/** A file that only grows, for journals. Appends keep their order. */
export interface AppendFile {
  /** Appends text; with `sync` it has reached the disk when this resolves. Answers where the text begins, bytes. */
  append(text: string, sync: boolean): Promise<number>;
  /** Reads bytes that were appended before. */
  read(at: number, lengthBytes: number): Promise<Buffer>;
  /** The whole content. */
  readAll(): Promise<Buffer>;
  /** Puts other content in its place, in one step. */
  replace(content: string): Promise<void>;
  readonly sizeBytes: number;
  close(): Promise<void>;
}

/** Opens a growing file, making it when it is missing; 0600. */
export async function openAppendFile(path: string): Promise<AppendFile> {
  makeFolder(dirname(path));
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  let file: FileHandle = await open(path, flags, 0o600);
  syncFolder(dirname(path));
  let sizeBytes = (await file.stat()).size;
  let tail: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(task: () => Promise<T>): Promise<T> => {
    const mine = tail.then(task, task);
    tail = mine.catch(() => undefined);
    return mine;
  };
  const readAt = async (at: number, lengthBytes: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(lengthBytes);
    const { bytesRead } = await file.read(bytes, 0, lengthBytes, at);
    return bytes.subarray(0, bytesRead);
  };
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    append: (text, sync) =>
      inOrder(async () => {
        const at = sizeBytes;
        const bytes = Buffer.from(text, 'utf8');
        try {
          await file.appendFile(bytes);
          if (sync) await file.datasync();
        } catch (error) {
          // A half-written line would spoil the next one.
          await file.truncate(at).catch(() => undefined);
          throw error;
        }
        sizeBytes = at + bytes.length;
        return at;
      }),
    read: (at, lengthBytes) => inOrder(() => readAt(at, lengthBytes)),
    readAll: () => inOrder(() => readAt(0, sizeBytes)),
    replace: (content) =>
      inOrder(async () => {
        const staged = `${path}.new`;
        removeWhole(staged);
        const next = await open(staged, flags | constants.O_EXCL, 0o600);
        await next.appendFile(content);
        await next.sync();
        moveWhole(staged, path);
        await file.close();
        file = next;
        sizeBytes = (await next.stat()).size;
      }),
    close: () => inOrder(() => file.close()),
  };
}
