/**
 * Reading and writing of one message as a function of its own, made from the table of its fields. Functions that serve all messages see
 * objects of a hundred shapes and take twice as long; one that serves a single shape is compiled for it.
 *
 *   { id: u64(1), peers: many(embed(5, Peer)) }  ─▶  let v0 = d0, v1 = d1;
 *                                                     while (reader.pos < end) { const tag = reader.u32(); switch (tag) { case 8: v0 = reader.u64(); break; … } }
 *                                                     return { "id": v0, "peers": v1 };
 *
 * Only names and numbers of our own schemas go into the text: nothing that came from outside.
 */
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

export type Kind = "u32" | "i32" | "u64" | "i64" | "big" | "bool" | "double" | "text" | "bytes" | "names" | "message";

/** A field made ready: what reading and writing look at for each value. */
export interface Step<C> {
  readonly name: string;
  readonly kind: Kind;
  readonly repeated: boolean;
  readonly packed: boolean;
  readonly tag: number;
  /** Of a single number of a packed list. */
  readonly looseTag: number;
  readonly names: readonly string[];
  readonly numbers: ReadonlyMap<string, number>;
  readonly codec: C | null;
  readonly empty: unknown;
}

interface Helpers {
  readonly tooLong: () => Error;
  readonly listTooLong: () => Error;
  readonly noName: (value: unknown, field: string) => Error;
  readonly nothing: readonly never[];
}

export type ReadFunction = (reader: Reader, end: number) => unknown;
export type WriteFunction = (writer: Writer, message: unknown) => void;

const readers: Readonly<Record<Kind, (at: number) => string>> = {
  u32: () => "reader.u32()",
  i32: () => "reader.i32()",
  u64: () => "reader.u64()",
  i64: () => "reader.i64()",
  big: () => "reader.u64Big()",
  bool: () => "reader.bool()",
  double: () => "reader.double()",
  text: () => "reader.text()",
  bytes: () => "reader.data()",
  names: (at) => `(steps[${at}].names[reader.u32()] || "unrecognized")`,
  message: (at) => `codec${at}.read(reader, reader.embedded())`,
};

const writers: Readonly<Record<Kind, (at: number) => string>> = {
  u32: () => "writer.u32(value);",
  i32: () => "writer.i32(value);",
  u64: () => "writer.u64(value);",
  i64: () => "writer.i64(value);",
  big: () => "writer.u64Big(value);",
  bool: () => "writer.bool(value);",
  double: () => "writer.double(value);",
  text: () => "writer.text(value);",
  bytes: () => "writer.data(value);",
  names: (at) => `{
    const number = steps[${at}].numbers.get(value);
    if (number === undefined || value === "") throw helpers.noName(value, steps[${at}].name);
    writer.u32(number);
  }`,
  message: (at) => `{ const place = writer.open(); codec${at}.write(writer, value); writer.close(place); }`,
};

const isSet: Readonly<Record<Kind, (at: number) => string>> = {
  u32: () => "value !== 0",
  i32: () => "value !== 0",
  u64: () => "value !== 0",
  i64: () => "value !== 0",
  big: () => "value !== 0n",
  bool: () => "value !== false",
  double: () => "value !== 0",
  text: () => 'value !== ""',
  bytes: () => "value.length !== 0",
  names: (at) => `value !== "" && value !== steps[${at}].names[0]`,
  message: () => "true",
};

export function compileRead<C>(steps: readonly Step<C>[], helpers: Helpers): ReadFunction {
  const cases = steps.map((step, at) => {
    const value = readers[step.kind](at);
    if (!step.repeated) return `case ${step.tag}: v${at} = ${value}; break;`;
    const one = `if (v${at} === nothing) v${at} = []; reader.element(); v${at}.push(${value});`;
    if (!step.packed) return `case ${step.tag}: ${one} break;`;
    return `case ${step.looseTag}: ${one} break;
    case ${step.tag}: {
      if (v${at} === nothing) v${at} = [];
      const listEnd = reader.embedded();
      while (reader.pos < listEnd) { reader.element(); v${at}.push(${value}); }
      if (reader.pos !== listEnd) throw helpers.listTooLong();
      break;
    }`;
  });
  return made(
    steps,
    helpers,
    `(reader, end) => {
      ${steps.map((_, at) => `let v${at} = empty${at};`).join(" ")}
      while (reader.pos < end) {
        const tag = reader.u32();
        switch (tag) {
          ${cases.join("\n")}
          default: reader.skip(tag & 7);
        }
      }
      if (reader.pos !== end) throw helpers.tooLong();
      return { ${steps.map((step, at) => `${JSON.stringify(step.name)}: v${at}`).join(", ")} };
    }`,
  ) as ReadFunction;
}

export function compileWrite<C>(steps: readonly Step<C>[], helpers: Helpers): WriteFunction {
  const parts = steps.map((step, at) => {
    const write = `writer.u32(${step.tag}); ${writers[step.kind](at)}`;
    const get = `const value = message[${JSON.stringify(step.name)}];`;
    if (!step.repeated) return `{ ${get} if (value !== undefined && value !== null && ${isSet[step.kind](at)}) { ${write} } }`;
    const list = `const list = message[${JSON.stringify(step.name)}];`;
    if (!step.packed) return `{ ${list} if (list) for (const value of list) { ${write} } }`;
    return `{ ${list} if (list && list.length > 0) {
      writer.u32(${step.tag});
      const place = writer.open();
      for (const value of list) { ${writers[step.kind](at)} }
      writer.close(place);
    } }`;
  });
  return made(steps, helpers, `(writer, message) => { ${parts.join("\n")} }`) as WriteFunction;
}

function made<C>(steps: readonly Step<C>[], helpers: Helpers, text: string): unknown {
  const values = steps.map((step, at) => `const empty${at} = steps[${at}].empty, codec${at} = steps[${at}].codec;`).join("\n");
  // oxlint-disable-next-line typescript/no-implied-eval, no-new-func
  const make = new Function("steps", "helpers", `"use strict"; const nothing = helpers.nothing; ${values}\nreturn ${text};`);
  return (make as (steps: unknown, helpers: Helpers) => unknown)(steps, helpers);
}
