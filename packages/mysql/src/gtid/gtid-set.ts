/** GTID sets of both families behind one set of functions; sets of different families do not compare. */
import { MariadbGtidSet, parseMariadbGtidSet } from "./mariadb-gtid-set.ts";
import { MysqlGtidSet, parseMysqlGtidSet } from "./mysql-gtid-set.ts";

export type GtidSet = MysqlGtidSet | MariadbGtidSet;

export function emptyGtidSet(flavor: "mysql" | "mariadb"): GtidSet {
  return flavor === "mysql" ? new MysqlGtidSet() : new MariadbGtidSet();
}

/** Throws a RangeError on anything else than a set of that family; an empty text is the empty set. */
export function parseGtidSet(text: string, flavor: "mysql" | "mariadb"): GtidSet {
  return flavor === "mysql" ? parseMysqlGtidSet(text) : parseMariadbGtidSet(text);
}

/** Which family a text is of; null when it is empty. */
export function gtidFlavorOf(text: string): "mysql" | "mariadb" | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return /^\d{1,10}-\d{1,10}-\d{1,20}\s*(,|$)/.test(trimmed) ? "mariadb" : "mysql";
}

export function gtidSetContains(set: GtidSet, other: GtidSet): boolean {
  if (set.flavor === "mysql") return other.flavor === "mysql" ? set.contains(other) : other.isEmpty;
  return other.flavor === "mariadb" ? set.contains(other) : other.isEmpty;
}

export function gtidSetUnion(set: GtidSet, other: GtidSet): GtidSet {
  if (other.isEmpty) return set;
  if (set.isEmpty) return other;
  if (set.flavor === "mysql" && other.flavor === "mysql") return set.union(other);
  if (set.flavor === "mariadb" && other.flavor === "mariadb") return set.union(other);
  throw new RangeError("GTID sets of MySQL and MariaDB do not mix");
}

export function gtidSetSubtract(set: GtidSet, other: GtidSet): GtidSet {
  if (set.flavor === "mysql") return other.flavor === "mysql" ? set.subtract(other) : set;
  return other.flavor === "mariadb" ? set.subtract(other) : set;
}
