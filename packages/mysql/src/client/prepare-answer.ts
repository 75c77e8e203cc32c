/** The answer to COM_STMT_PREPARE: the statement's number and its counts, then definitions that nobody here needs. */
import { isEof, parseErr } from "../core/result-packets.ts";
import { MysqlServerError } from "./errors.ts";
import type { Answer } from "./server-socket.ts";

export interface PreparedFacts {
  readonly statement: number;
  readonly parameters: number;
}

export class PrepareAnswer implements Answer {
  readonly #onDone: (facts: PreparedFacts) => void;
  readonly #onFailure: (error: Error) => void;
  #facts: PreparedFacts | undefined;
  /** Definitions still to come; each non-empty list of them ends with an EOF packet. */
  #lists: number[] = [];

  constructor(onDone: (facts: PreparedFacts) => void, onFailure: (error: Error) => void) {
    this.#onDone = onDone;
    this.#onFailure = onFailure;
  }

  onFailure(error: Error): void {
    this.#onFailure(error);
  }

  onPacket(bytes: Buffer, start: number, end: number): boolean {
    if (this.#facts === undefined) {
      if (bytes[start] === 0xff) {
        const { errno, sqlState, message } = parseErr(bytes, start, end);
        this.#onFailure(new MysqlServerError(errno, sqlState, message));
        return true;
      }
      if (bytes[start] !== 0 || end - start < 9) throw new Error("the answer to a prepared statement has no number");
      const columns = bytes.readUInt16LE(start + 5);
      const parameters = bytes.readUInt16LE(start + 7);
      this.#facts = { statement: bytes.readUInt32LE(start + 1), parameters };
      this.#lists = [parameters, columns].filter((count) => count > 0);
    } else if ((this.#lists[0] as number) > 0) this.#lists[0] = (this.#lists[0] as number) - 1;
    else if (isEof(bytes, start, end)) this.#lists.shift();
    else throw new Error("the definitions of a prepared statement do not end where they should");
    if (this.#lists.length > 0) return false;
    this.#onDone(this.#facts);
    return true;
  }
}
