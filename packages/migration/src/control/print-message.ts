/**
 * Answers as dmctl prints them: every field in the schema's order, empty lists as `[` and `]` on two lines, 64-bit integers as strings,
 * `<`, `>` and `&` escaped. Fields that stock clients do not know (from 1000 on) are left out.
 */
import type { Message } from "@skein/rpc";
import type protobuf from "protobufjs";
import { wireSchema } from "../wire/wire.ts";

const firstOwnField = 1000;
/** In the schema of later releases and in their HTTP interface; the release whose answers are matched prints neither. */
const laterFields: ReadonlySet<string> = new Set([".pb.SyncStatus.ioTotalBytes", ".pb.SyncStatus.dumpIOTotalBytes"]);

/** `type` is a full name, for example `pb.StartTaskResponse`. No newline at the end. */
export function printMessage(type: string, message: Message, indent = 4): string {
  return escaped(messageText(wireSchema.root.lookupType(type), message, " ".repeat(indent), ""));
}

/** Answers that are put together here: like Go prints them, with `[]` for an empty list. */
export function printPlain(value: unknown): string {
  return escaped(JSON.stringify(value, null, 4));
}

function messageText(type: protobuf.Type, message: Message, step: string, at: string): string {
  const inner = at + step;
  const lines: string[] = [];
  for (const field of type.fieldsArray.toSorted((a, b) => a.id - b.id)) {
    field.resolve();
    if (field.id >= firstOwnField || laterFields.has(field.fullName)) continue;
    const value = message[field.name];
    if (value === undefined && field.partOf !== null) continue; // another member of the choice is set, or none
    lines.push(`${inner}${JSON.stringify(field.name)}: ${fieldText(field, value, step, inner)}`);
  }
  return lines.length === 0 ? "{\n" + at + "}" : `{\n${lines.join(",\n")}\n${at}}`;
}

function fieldText(field: protobuf.Field, value: unknown, step: string, at: string): string {
  const inner = at + step;
  const single = (each: unknown, where: string) => {
    if (field.resolvedType !== null && "fields" in field.resolvedType)
      return each === null || each === undefined ? "null" : messageText(field.resolvedType, each as Message, step, where);
    return scalarText(field, each);
  };
  if (field.map) {
    const entries = Object.entries((value ?? {}) as Message).sort(([a], [b]) => (a < b ? -1 : 1));
    if (entries.length === 0) return `{\n${at}}`;
    return `{\n${entries.map(([key, each]) => `${inner}${JSON.stringify(key)}: ${single(each, inner)}`).join(",\n")}\n${at}}`;
  }
  if (field.repeated) {
    const items = (value ?? []) as readonly unknown[];
    if (items.length === 0) return `[\n${at}]`;
    return `[\n${items.map((each) => inner + single(each, inner)).join(",\n")}\n${at}]`;
  }
  return single(value, at);
}

function scalarText(field: protobuf.Field, value: unknown): string {
  if (field.type === "bytes") {
    const bytes = value as Uint8Array | string | null | undefined;
    if (bytes === null || bytes === undefined || bytes.length === 0) return "null";
    return JSON.stringify(typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("base64"));
  }
  if (value === undefined || value === null) {
    const fallback = field.typeDefault as unknown;
    if (field.resolvedType !== null) return JSON.stringify(enumName(field, 0));
    if (typeof fallback === "string" || typeof fallback === "boolean") return JSON.stringify(fallback);
    return isLong(field) ? '"0"' : "0";
  }
  if (field.resolvedType !== null) return JSON.stringify(typeof value === "number" ? enumName(field, value) : value);
  return isLong(field) && typeof value !== "string" ? `"${JSON.stringify(value)}"` : JSON.stringify(value);
}

function isLong(field: protobuf.Field): boolean {
  return /^(u?int64|sint64|s?fixed64)$/.test(field.type);
}

function enumName(field: protobuf.Field, value: number): string | number {
  const type = field.resolvedType;
  return type !== null && "valuesById" in type ? (type.valuesById[value] ?? value) : value;
}

function escaped(json: string): string {
  return json.replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026");
}
