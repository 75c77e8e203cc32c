/** Between the store's types and etcd's messages. Keys that are no UTF-8 are refused: the store's keys are text. */
import { boundsOf } from "../core/selection.ts";
import { metastoreErrors } from "../errors.ts";
import type { KeySelection, KeyValue } from "../metastore.ts";
import type { KeyValueMessage } from "./schema.ts";

/** A counter of the protocol (64 bits) as a number; the store never comes near 2^53, a broken peer may. */
export function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count)) throw metastoreErrors.invalidRequest([`${text} is over 2^53`]);
  return count;
}

export function itemOf(message: KeyValueMessage): KeyValue {
  return {
    key: keyText(message.key),
    value: new Uint8Array(message.value), // the message may be a view of a whole frame
    createRevision: countOf(message.create_revision),
    modRevision: countOf(message.mod_revision),
    version: countOf(message.version),
    lease: BigInt(message.lease),
  };
}

export function messageOf(item: KeyValue) {
  return {
    key: keyBytes(item.key),
    value: item.value,
    create_revision: item.createRevision,
    mod_revision: item.modRevision,
    version: item.version,
    lease: item.lease.toString(),
  };
}

export function keyBytes(key: string): Uint8Array {
  return Buffer.from(key, "utf8");
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function keyText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw metastoreErrors.invalidRequest(["a key that is no UTF-8"]);
  }
}

/** etcd's form of a selection: an end of one zero byte has no end, no end at all is the one key. */
export function rangeMessage(select: KeySelection): { readonly key: Uint8Array; readonly range_end: Uint8Array } {
  if ("key" in select) return { key: keyBytes(select.key), range_end: new Uint8Array(0) };
  const { from, to } = boundsOf(select);
  // etcd knows no empty key; "from the first on" is written with a zero byte.
  return { key: from === "" ? new Uint8Array(1) : keyBytes(from), range_end: to === null ? new Uint8Array(1) : keyBytes(to) };
}

export function selectionOf(key: Uint8Array, rangeEnd: Uint8Array): KeySelection {
  if (rangeEnd.length === 0) return { key: keyText(key) };
  const from = key.length === 1 && key[0] === 0 ? "" : keyText(key);
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from, to: "" };
  // The usual end of a prefix is its last byte plus one, which need not be UTF-8 itself.
  if (Buffer.compare(rangeEnd, prefixEnd(key)) === 0) return { prefix: keyText(key) };
  return { from, to: keyText(rangeEnd) };
}

function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let last = prefix.length - 1; last >= 0; last--) {
    const byte = prefix[last] as number;
    if (byte === 0xff) continue;
    const end = Uint8Array.from(prefix.subarray(0, last + 1)); // a copy: the slice of a Buffer would be a view
    end[last] = byte + 1;
    return end;
  }
  return new Uint8Array(1);
}
