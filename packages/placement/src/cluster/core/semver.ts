/** Versions as the field writes them: `7.5.6`, `v8.5.0-alpha`. */

interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly pre: string;
}

function parse(text: string): Version | null {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/.exec(text);
  if (match === null) return null;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]), pre: match[4] ?? "" };
}

export function isSemver(text: string): boolean {
  return parse(text) !== null;
}

/** Below, equal or above 0; a text that is no version is the oldest. */
export function compareVersions(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  if (left === null || right === null) return (left === null ? 0 : 1) - (right === null ? 0 : 1);
  if (left.major !== right.major) return left.major - right.major;
  if (left.minor !== right.minor) return left.minor - right.minor;
  if (left.patch !== right.patch) return left.patch - right.patch;
  if (left.pre === right.pre) return 0;
  if (left.pre === "" || right.pre === "") return left.pre === "" ? 1 : -1;
  return left.pre < right.pre ? -1 : 1;
}

/** A store may join when it is newer than the cluster, or of the same minor version. */
export function isCompatible(cluster: string, store: string): boolean {
  const left = parse(cluster);
  const right = parse(store);
  if (left === null || right === null) return right !== null;
  return compareVersions(cluster, store) < 0 || (left.major === right.major && left.minor === right.minor);
}

/** Without the leading v and what stands after the numbers. */
export function plainVersion(text: string): string {
  const version = parse(text);
  return version === null ? text : `${version.major}.${version.minor}.${version.patch}${version.pre === "" ? "" : `-${version.pre}`}`;
}
