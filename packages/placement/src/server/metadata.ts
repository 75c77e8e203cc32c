/** Metadata under the cluster's root, written only while this member leads: each transaction compares the leader's key. */
import { type Comparison, type Metastore, metastoreErrors, type Operation } from "@skein/metastore";
import { pdErrors } from "../errors.ts";
import type { Metadata } from "./services.ts";

export interface Lead {
  readonly guard: Comparison;
  /** False from the moment on at which another may lead: by the lease's time on this machine's monotonic clock. */
  isValid(): boolean;
}

/** Of one transaction. */
const operationsMax = 128;

/** `lead` answers null while this member does not lead. `onUncertain`: a write whose outcome is unknown; what is in memory may be wrong. */
export function createMetadata(
  store: Metastore,
  root: () => string,
  lead: () => Lead | null,
  onUncertain: (error: unknown) => void,
): Metadata {
  const keyOf = (key: string) => `${root()}/${key}`;
  const transaction = async (compare: readonly Comparison[], success: readonly Operation[]): Promise<boolean> => {
    const own = lead();
    if (own === null || !own.isValid()) throw pdErrors.notLeader([]);
    try {
      if ((await store.txn({ compare: [own.guard, ...compare], success })).succeeded) return true;
    } catch (error) {
      if (metastoreErrors.outcomeUnknown.is(error) || metastoreErrors.storageFailed.is(error)) onUncertain(error);
      throw error;
    }
    if (compare.length > 0) {
      const held = await store.txn({ compare: [own.guard] });
      if (held.succeeded) return false;
    }
    throw pdErrors.notLeader([]);
  };
  const operationOf = ({ key, value }: { readonly key: string; readonly value: Uint8Array | string | null }): Operation =>
    value === null ? { op: "delete", select: { key: keyOf(key) } } : { op: "put", key: keyOf(key), value };
  return {
    keyOf,
    get: async (key) => (await store.get(keyOf(key)))?.value ?? null,
    list: async (prefix) => {
      const { items } = await store.range({ prefix: keyOf(prefix) });
      const cut = root().length + 1;
      return items.map(({ key, value }) => ({ key: key.slice(cut), value }));
    },
    put: async (key, value) => void (await transaction([], [{ op: "put", key: keyOf(key), value }])),
    delete: async (key) => void (await transaction([], [{ op: "delete", select: { key: keyOf(key) } }])),
    write: async (changes) => {
      if (changes.length > operationsMax) throw metastoreErrors.tooManyOperations([changes.length, operationsMax]);
      if (changes.length > 0) await transaction([], changes.map(operationOf));
    },
    transaction,
  };
}

export function u64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/** 0 for what is missing. Throws `malformedRecord`. */
export function u64Of(key: string, bytes: Uint8Array | null): bigint {
  if (bytes === null) return 0n;
  if (bytes.length !== 8) throw pdErrors.malformedRecord([key]);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
}
