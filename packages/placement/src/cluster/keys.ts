/**
 * Keys inside of the cluster model are texts of one character a byte: they cost a fourth of a `Uint8Array`, compare as bytes do, and
 * neighbours share them.
 */
export type KeyText = string;

export function keyText(key: Uint8Array): KeyText {
  return Buffer.prototype.latin1Slice.call(key, 0, key.length);
}

export function keyBytes(text: KeyText): Uint8Array {
  const bytes = new Uint8Array(text.length);
  if (text.length > 64) Buffer.prototype.latin1Write.call(bytes, text, 0, text.length);
  else for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Whether the text is that of the key, without making another. */
export function isKey(text: KeyText, key: Uint8Array): boolean {
  const { length } = text;
  if (key.length !== length) return false;
  // From the end: keys of one cluster begin alike.
  for (let i = length - 1; i >= 0; i--) if (text.charCodeAt(i) !== key[i]) return false;
  return true;
}
