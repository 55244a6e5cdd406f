 

const unsafe = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ue000-\uf8ff\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\u{f0000}-\u{10ffff}]/gu;

/**
 * A text as it may reach a terminal or a page: control, bidirectional, invisible and private-use characters become `\u{hex}`; everything else stays.
 * For every text that was not written by us.
 */
export function vis(text: string): string {
  return text.replace(unsafe, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Whether a text holds a character that no identifier or label may have (control, bidirectional, zero-width, private use). */
export function hasUnsafeCharacter(text: string): boolean {
  return text.search(unsafe) >= 0;
}
