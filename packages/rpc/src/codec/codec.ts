/**
 * Protobuf messages from schemas that are TypeScript: a message is a type and a table of its fields, and the table is the codec.
 *
 *   export type Peer = { readonly id: number; readonly store_id: number; readonly role: PeerRole };
 *   export const Peer = message<Peer>("metapb.Peer", { id: u64(1), store_id: u64(2), role: names(3, peerRoles) });
 *
 * Decoded messages are plain objects with all fields of the schema, in its order:
 *   uint64, int64   `number`; what is beyond ±(2^53−1) is read as that. `big` fields (timestamps, cluster ids) are `bigint`
 *   bytes           `Uint8Array`; long ones are views into the message: copy what is kept for long
 *   enum            the name; "unrecognized" for a number that the schema does not have
 *   message         `null` when it was not sent
 *   repeated        an array; shared and empty when nothing was sent, so never to be changed
 *   oneof           of a message that is nothing else: `{ kind, value }` (`choice`), `null` inside of `embed` fields when none is set
 * Unknown fields are passed over. What is not protobuf, or has lists of more than a million elements, throws `malformedMessage`.
 *
 * To encode, absent fields are defaults, and defaults are not sent.
 */
import { rpcErrors } from "../errors.ts";
import { type Step as CompiledStep, compileRead, compileWrite, type Kind, type ReadFunction, type WriteFunction } from "./compile.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** What is taken to encode a `D`: the same, where everything may be left out. */
export type Input<D> = D extends Uint8Array | string | number | bigint | boolean | null
  ? D
  : D extends readonly (infer I)[]
    ? readonly Input<I>[]
    : D extends { readonly kind: infer K; readonly value: infer V }
      ? { readonly kind: K; readonly value: Input<V> }
      : { readonly [K in keyof D]?: Input<D[K]> | undefined };

export interface Codec<D> {
  /** `package.Message` */
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => D;
  readonly encode: (message: Input<D>) => Buffer;
  /** Fills what is absent with defaults. */
  complete(message: Input<D>): D;
  /** Decodes what stands between the reader's position and `end`; moves it there. */
  read(reader: Reader, end: number): D;
  write(writer: Writer, message: Input<D>): void;
}

/** The number of a field and what it holds; made by the functions below. */
export interface Field<D> {
  readonly number: number;
  readonly kind: Kind;
  readonly repeated: boolean;
  readonly names: readonly string[];
  readonly codec: () => Codec<unknown>;
  /** Only for the type. */
  readonly holds?: D;
}

const noCodec = (): Codec<unknown> => {
  throw new Error("the field holds no message");
};
const plain =
  <D>(kind: Kind) =>
  (number: number): Field<D> => ({ number, kind, repeated: false, names: [], codec: noCodec });

export const u32 = plain<number>("u32");
export const i32 = plain<number>("i32");
export const u64 = plain<number>("u64");
export const i64 = plain<number>("i64");
/** uint64 with all its bits. */
export const big = plain<bigint>("big");
export const bool = plain<boolean>("bool");
export const double = plain<number>("double");
export const text = plain<string>("text");
export const bytes = plain<Uint8Array>("bytes");

/** An enum: names by their numbers; those between that do not exist are "". */
export function names<N extends string>(number: number, list: readonly N[]): Field<N | "unrecognized"> {
  return { number, kind: "names", repeated: false, names: list, codec: noCodec };
}

/** Another message. A function gives one that is defined further down. */
export function embed<D>(number: number, codec: Codec<D> | (() => Codec<D>)): Field<D | null> {
  return {
    number,
    kind: "message",
    repeated: false,
    names: [],
    codec: (typeof codec === "function" ? codec : () => codec) as () => Codec<unknown>,
  };
}

/** A repeated field; numbers are packed when sent, and taken both ways. */
export function many<D>(field: Field<D>): Field<readonly Exclude<D, null>[]> {
  return { number: field.number, kind: field.kind, repeated: true, names: field.names, codec: field.codec };
}

export type Shape<D> = { readonly [K in keyof D]-?: Field<D[K]> };

const writer = new Writer();
const reader = new Reader();
const noBytes = new Uint8Array(0);
const nothing: readonly never[] = [];

abstract class BaseCodec<D> implements Codec<D> {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  abstract read(reader: Reader, end: number): D;
  abstract write(writer: Writer, message: Input<D>): void;

  readonly decode = (bytes: Uint8Array): D => {
    reader.set(bytes);
    try {
      return this.read(reader, bytes.length);
    } catch (error) {
      if (rpcErrors.malformedMessage.is(error)) throw error.with({ annotate: this.name });
      throw error;
    } finally {
      reader.set(noBytes);
    }
  };

  readonly encode = (message: Input<D>): Buffer => {
    try {
      this.write(writer, message);
      return writer.take();
    } catch (error) {
      writer.drop();
      throw error;
    }
  };

  complete(message: Input<D>): D {
    return this.decode(this.encode(message));
  }
}

type Step = CompiledStep<Codec<unknown>>;

const wireTypes: Readonly<Record<Kind, number>> = {
  u32: 0,
  i32: 0,
  u64: 0,
  i64: 0,
  big: 0,
  bool: 0,
  names: 0,
  double: 1,
  text: 2,
  bytes: 2,
  message: 2,
};

const defaults: Readonly<Record<Kind, unknown>> = {
  u32: 0,
  i32: 0,
  u64: 0,
  i64: 0,
  big: 0n,
  bool: false,
  double: 0,
  text: "",
  bytes: noBytes,
  names: "",
  message: null,
};

function stepOf(name: string, field: Field<unknown>): Step {
  const wireType = wireTypes[field.kind];
  const packed = field.repeated && wireType !== 2;
  return {
    name,
    kind: field.kind,
    repeated: field.repeated,
    packed,
    tag: field.number * 8 + (packed ? 2 : wireType),
    looseTag: field.number * 8 + wireType,
    names: field.names,
    numbers: new Map(field.names.map((each, number) => [each, number])),
    codec: field.kind === "message" ? field.codec() : null,
    empty: field.repeated ? nothing : field.kind === "names" ? field.names[0] : defaults[field.kind],
  };
}

/** Steps by the tags under which their values come. */
function stepsByTag(steps: readonly Step[]): (Step | undefined)[] {
  const byTag: (Step | undefined)[] = [];
  for (const step of steps) {
    byTag[step.tag] = step;
  }
  // Without holes: reading one is slow.
  return Array.from(byTag);
}

function readValue(reader: Reader, step: Step): unknown {
  switch (step.kind) {
    case "u64":
      return reader.u64();
    case "bytes":
      return reader.data();
    case "message": {
      const end = reader.embedded();
      return (step.codec as Codec<unknown>).read(reader, end);
    }
    case "u32":
      return reader.u32();
    case "bool":
      return reader.bool();
    case "big":
      return reader.u64Big();
    case "names":
      return step.names[reader.u32()] || "unrecognized";
    case "text":
      return reader.text();
    case "i64":
      return reader.i64();
    case "i32":
      return reader.i32();
    case "double":
      return reader.double();
  }
}

function writeValue(writer: Writer, step: Step, value: unknown): void {
  switch (step.kind) {
    case "u64":
      return writer.u64(value as number);
    case "bytes":
      return writer.data(value as Uint8Array);
    case "message": {
      const place = writer.open();
      (step.codec as Codec<unknown>).write(writer, value as object);
      return writer.close(place);
    }
    case "u32":
      return writer.u32(value as number);
    case "bool":
      return writer.bool(value as boolean);
    case "big":
      return writer.u64Big(value as bigint);
    case "names": {
      const number = step.numbers.get(value as string);
      if (number === undefined || value === "") throw new RangeError(`${String(value)} is no name of ${step.name}`);
      return writer.u32(number);
    }
    case "text":
      return writer.text(value as string);
    case "i64":
      return writer.i64(value as number);
    case "i32":
      return writer.i32(value as number);
    case "double":
      return writer.double(value as number);
  }
}

const helpers = {
  tooLong: () => rpcErrors.malformedMessage(["a field is longer than the message that it is in"]),
  listTooLong: () => rpcErrors.malformedMessage(["a number is longer than the list that it is in"]),
  noName: (value: unknown, field: string) => new RangeError(`${String(value)} is no name of ${field}`),
  nothing,
};

class MessageCodec<D> extends BaseCodec<D> {
  private readonly shape: Readonly<Record<string, Field<unknown>>>;
  private steps: readonly Step[] | null = null;
  private readFields: ReadFunction | null = null;
  private writeFields: WriteFunction | null = null;

  constructor(name: string, shape: Shape<D>) {
    super(name);
    this.shape = shape;
  }

  override read(reader: Reader, end: number): D {
    this.readFields ??= compileRead(this.prepared(), helpers);
    return this.readFields(reader, end) as D;
  }

  override write(writer: Writer, message: Input<D>): void {
    this.writeFields ??= compileWrite(this.prepared(), helpers);
    this.writeFields(writer, message);
  }

  /** At the first use: messages may refer to those below them. */
  private prepared(): readonly Step[] {
    return (this.steps ??= Object.entries(this.shape).map(([name, field]) => stepOf(name, field)));
  }
}

/** A message by the table of its fields. */
export function message<D>(name: string, shape: Shape<D>): Codec<D> {
  return new MessageCodec<D>(name, shape);
}

/** The members of a choice: name → message. */
export type Choice<M> = { readonly [K in keyof M]: { readonly kind: K; readonly value: M[K] } }[keyof M];

class ChoiceCodec<M> extends BaseCodec<Choice<M> | null> {
  private readonly shape: Readonly<Record<string, Field<unknown>>>;
  private byTag: readonly (Step | undefined)[] | null = null;
  private readonly byName = new Map<string, Step>();

  constructor(name: string, shape: Readonly<Record<string, Field<unknown>>>) {
    super(name);
    this.shape = shape;
  }

  /** Null for a member that the schema does not have: its owner answers for it. */
  override read(reader: Reader, end: number): Choice<M> | null {
    const byTag = this.byTag ?? this.prepare();
    let chosen: { kind: string; value: unknown } | null = null;
    while (reader.pos < end) {
      const tag = reader.u32();
      const step = tag < byTag.length ? byTag[tag] : undefined;
      if (step === undefined) reader.skip(tag & 7);
      else chosen = { kind: step.name, value: readValue(reader, step) };
    }
    if (reader.pos !== end) throw rpcErrors.malformedMessage(["a field is longer than the message that it is in"]);
    return chosen as Choice<M> | null;
  }

  override write(writer: Writer, message: Input<Choice<M> | null>): void {
    if (this.byTag === null) this.prepare();
    if (message === null) return;
    const { kind, value } = message as { kind: string; value: unknown };
    const step = this.byName.get(kind);
    if (step === undefined) throw new RangeError(`${this.name} has no ${kind}`);
    writer.u32(step.tag);
    writeValue(writer, step, value);
  }

  private prepare(): readonly (Step | undefined)[] {
    const steps = Object.entries(this.shape).map(([name, field]) => stepOf(name, field));
    for (const step of steps) this.byName.set(step.name, step);
    this.byTag = stepsByTag(steps);
    return this.byTag;
  }
}

/** A message that is one oneof of messages: `{ kind, value }`. As an element of `many`, what is unknown is `null`. */
export function choice<M>(name: string, shape: { readonly [K in keyof M]: Field<M[K] | null> }): Codec<Choice<M> | null> {
  return new ChoiceCodec<M>(name, shape);
}

/** Bytes as they came: for those who read and write the messages of a method themselves. */
export const rawBytes: Codec<Uint8Array> = {
  name: "bytes",
  decode: (bytes) => bytes,
  encode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
  complete: (bytes) => bytes,
  read: () => {
    throw new Error("raw messages are not embedded");
  },
  write: () => {
    throw new Error("raw messages are not embedded");
  },
};
