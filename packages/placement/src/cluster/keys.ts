/**
 * Keys inside of the cluster model are texts of one character a byte: they cost a fourth of a `Uint8Array`, compare as bytes do, and
 * neighbours share them.
 */
export type KeyText = string;

/** Of the bytes from `start` to `end`; of all without them. */
export function keyText(bytes: Uint8Array, start = 0, end = bytes.length): KeyText {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}

export function keyBytes(text: KeyText): Uint8Array {
  const bytes = new Uint8Array(text.length);
  if (text.length > 64) Buffer.prototype.latin1Write.call(bytes, text, 0, text.length);
  else for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Whether the text is that of the key, without making another. */
export function isKey(text: KeyText, key: Uint8Array): boolean {
  return isKeyAt(text, key, 0, key.length);
}

export function isKeyAt(text: KeyText, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = text;
  if (end - start !== length) return false;
  // From the end: keys of one cluster begin alike.
  for (let i = length - 1; i >= 0; i--) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
