/**
 * Names in keys are hex-encoded, so that a name with a slash cannot reach into another's keys:
 * `hexKey("/dm-worker/r/", "w1")` is `/dm-worker/r/7731`.
 */
export function hexKey(prefix: string, ...segments: readonly string[]): string {
  const start = prefix.endsWith("/") ? prefix : `${prefix}/`;
  return start + segments.map((segment) => Buffer.from(segment, "utf8").toString("hex")).join("/");
}

/** The prefix of all keys below some segments: as `hexKey`, with a slash at the end, so that `7731` does not select `77313a`. */
export function hexPrefix(prefix: string, ...segments: readonly string[]): string {
  const key = hexKey(prefix, ...segments);
  return key.endsWith("/") ? key : `${key}/`;
}

/** The segments of a key below `prefix`, decoded; null when the key is not of that shape. */
export function decodeHexKey(prefix: string, key: string): readonly string[] | null {
  const start = prefix.endsWith("/") ? prefix : `${prefix}/`;
  if (!key.startsWith(start)) return null;
  const segments = key.slice(start.length).split("/");
  if (segments.some((segment) => !/^([0-9a-f]{2})+$/.test(segment))) return null;
  return segments.map((segment) => Buffer.from(segment, "hex").toString("utf8"));
}
