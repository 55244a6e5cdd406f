import type { AppendFile } from '../../agent/host/append.js';

/** A journal file in memory: what was appended, and nothing of what came after a crash. */
export function memoryFile(content: Buffer = Buffer.alloc(0)): AppendFile & { content: Buffer } {
  const file = {
    content,
    get sizeBytes() {
      return file.content.length;
    },
    append: (text: string) => {
      const at = file.content.length;
      file.content = Buffer.concat([file.content, Buffer.from(text)]);
      return Promise.resolve(at);
    },
    read: (at: number, lengthBytes: number) => Promise.resolve(file.content.subarray(at, at + lengthBytes)),
    readAll: () => Promise.resolve(file.content),
    replace: (text: string) => {
      file.content = Buffer.from(text);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  return file;
}
