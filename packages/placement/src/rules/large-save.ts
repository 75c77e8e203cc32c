/**
 * Saves of more records than one transaction takes: all of them or none, whenever the member that saves crashes.
 *
 *   parts   saving/part/0 …   the records that are to be written, in several transactions; they mean nothing yet
 *   mark    saving/mark       how many parts there are: from here on the save has happened
 *   apply   the records themselves, part after part; mark and parts go with the last of them
 *
 * A leader that finds the mark applies the parts again, which changes nothing where that was done; one that finds parts alone drops them.
 */
import type { Operation } from "@skein/metastore";
import type { Metadata } from "../server/services.ts";

export interface Write {
  readonly key: string;
  /** Null deletes. */
  readonly value: string | null;
}

/** Of one transaction. Half of the bytes that an etcd of default limits takes, since a part holds texts within a text. */
const writesMax = 100;
const bytesMax = 512 * 1024;

const folder = "saving/";
const markKey = `${folder}mark`;
const partKey = (at: number) => `${folder}part/${at}`;

/** One that is rejected may have happened when it was large: `finishSave` tells, and must come before anything else is written. */
export async function saveAll(metadata: Metadata, writes: readonly Write[]): Promise<void> {
  const parts = partsOf(writes);
  if (parts.length <= 1) return metadata.write(writes);
  for (const [at, part] of parts.entries()) await metadata.put(partKey(at), JSON.stringify(part));
  await metadata.put(markKey, String(parts.length));
  await apply(metadata, parts);
}

/** Brings a save to its end that has happened, or drops what is left of one that has not. Whether there was one that has. */
export async function finishSave(metadata: Metadata): Promise<boolean> {
  const found = new Map((await metadata.list(folder)).map(({ key, value }) => [key, new TextDecoder().decode(value)]));
  const mark = found.get(markKey);
  const parts = Array.from({ length: Number(mark ?? 0) }, (_, at) => JSON.parse(found.get(partKey(at)) ?? "") as readonly Write[]);
  if (found.size > 0) await apply(metadata, parts);
  return mark !== undefined;
}

async function apply(metadata: Metadata, parts: readonly (readonly Write[])[]): Promise<void> {
  for (const part of parts.slice(0, -1)) await metadata.write(part);
  const last = (parts.at(-1) ?? []).map(({ key, value }): Operation => {
    const whole = metadata.keyOf(key);
    return value === null ? { op: "delete", select: { key: whole } } : { op: "put", key: whole, value };
  });
  await metadata.transaction([], [...last, { op: "delete", select: { prefix: metadata.keyOf(folder) } }]);
}

function partsOf(writes: readonly Write[]): readonly (readonly Write[])[] {
  const parts: Write[][] = [];
  let bytes = 0;
  for (const write of writes) {
    const added = Buffer.byteLength(write.key) + Buffer.byteLength(write.value ?? "");
    const last = parts.at(-1);
    if (last !== undefined && last.length < writesMax && bytes + added <= bytesMax) {
      last.push(write);
      bytes += added;
    } else {
      parts.push([write]);
      bytes = added;
    }
  }
  return parts;
}
