/** The answer to COM_QUERY: OK, ERR, a request for a local file, or result sets. */
import { isEof, type OkPacket, parseColumn, parseEof, parseErr, parseOk, type ResultColumn, serverStatus } from "../core/result-packets.ts";
import { MysqlServerError } from "./errors.ts";
import type { Answer } from "./server-socket.ts";

/** As many columns as a server can send. */
const columnsMax = 65_535;

export interface ResultSink {
  onColumns?(columns: readonly ResultColumn[]): void;
  /** One row of the first result set. */
  onRow?(bytes: Buffer, start: number, end: number): void;
  onChunkEnd?(): void;
  /** Asked for a local file: return true to send one. */
  onLocalFile?(sequence: number): boolean;
  /** `ok` is that of the first result; null when it was a set of rows. */
  onDone(ok: OkPacket | null, status: number): void;
  onFailure(error: Error): void;
}

type State = "first" | "columns" | "columnsEnd" | "rows";

export class ResultAnswer implements Answer {
  readonly #sink: ResultSink;
  readonly #encoding: "utf8" | "latin1";
  #state: State = "first";
  #columnsLeft = 0;
  #columns: ResultColumn[] = [];
  #results = 0;
  #ok: OkPacket | null = null;

  constructor(sink: ResultSink, encoding: "utf8" | "latin1") {
    this.#sink = sink;
    this.#encoding = encoding;
  }

  onFailure(error: Error): void {
    this.#sink.onFailure(error);
  }

  onChunkEnd(): void {
    this.#sink.onChunkEnd?.();
  }

  onPacket(bytes: Buffer, start: number, end: number, sequence: number): boolean {
    if (start === end) throw new Error("an empty packet in an answer");
    const first = bytes[start] as number;
    if (this.#state === "rows") {
      if (first === 0xff) return this.#refused(bytes, start, end);
      if (isEof(bytes, start, end)) {
        this.#sink.onChunkEnd?.();
        return this.#resultEnd(parseEof(bytes, start, end).status);
      }
      if (this.#results === 0) this.#sink.onRow?.(bytes, start, end);
      return false;
    }
    if (first === 0xff) return this.#refused(bytes, start, end);
    if (this.#state === "columns") {
      this.#columns.push(parseColumn(bytes, start, end, this.#encoding));
      if (--this.#columnsLeft === 0) this.#state = "columnsEnd";
      return false;
    }
    if (this.#state === "columnsEnd") {
      if (!isEof(bytes, start, end)) throw new Error("column definitions do not end where they should");
      this.#state = "rows";
      if (this.#results === 0) this.#sink.onColumns?.(this.#columns);
      return false;
    }
    if (first === 0x00) {
      const ok = parseOk(bytes, start, end);
      if (this.#results === 0) this.#ok = ok;
      return this.#resultEnd(ok.status);
    }
    if (first === 0xfb) {
      // A server may ask for any file at any time; only a command that offers data sends some.
      if (this.#sink.onLocalFile?.(sequence) === true) return false;
      throw new Error("the server asks for a file that was not offered");
    }
    const count = first === 0xfc && end - start === 3 ? bytes.readUInt16LE(start + 1) : first;
    if (count === 0 || count > columnsMax || (first > 0xfa && first !== 0xfc)) throw new Error(`a result of ${count} columns`);
    this.#columnsLeft = count;
    this.#columns = [];
    this.#state = "columns";
    return false;
  }

  #resultEnd(status: number): boolean {
    this.#results++;
    this.#state = "first";
    if ((status & serverStatus.moreResults) !== 0) return false;
    this.#sink.onDone(this.#ok, status);
    return true;
  }

  #refused(bytes: Buffer, start: number, end: number): boolean {
    const { errno, sqlState, message } = parseErr(bytes, start, end);
    this.#sink.onFailure(new MysqlServerError(errno, sqlState, message));
    return true;
  }
}
