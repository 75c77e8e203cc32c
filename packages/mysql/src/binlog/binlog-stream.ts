/**
 * A server's binlog as it is written, over the replication protocol.
 *
 * Lost connections are made again, from the last transaction that was handed over whole; events of a transaction that were
 * handed over before are skipped by count. So the reader sees every event once, in order, as if nothing had happened.
 */
import { Backoff, ByteWriter, Channel, type World } from "@skein/base";
import type { MysqlEndpoint } from "../client/authenticate.ts";
import { openSocketConnection, type SocketConnection } from "../client/connection.ts";
import { MysqlConnectionError, MysqlServerError } from "../client/errors.ts";
import type { Answer } from "../client/server-socket.ts";
import { framePacket } from "../core/packet-framer.ts";
import { isEof, parseErr } from "../core/result-packets.ts";
import { binlogErrors } from "../errors.ts";
import { MariadbGtidSet } from "../gtid/mariadb-gtid-set.ts";
import { MysqlGtidSet } from "../gtid/mysql-gtid-set.ts";
import { BinlogDecoder } from "./core/decoder.ts";
import type { BinlogEvent } from "./core/events.ts";
import { MalformedBinlogError } from "./core/malformed.ts";
import { firstOffset, type Position } from "./core/position.ts";
import { binlogTools, eventBytesMaxDefault, unpackPayload } from "./tools.ts";

export interface BinlogStreamOptions {
  /** Must be unique among the replicas of the source. */
  readonly serverId: number;
  readonly start: Position;
  /** Start by GTID set or by file and offset. By GTID when the start has a set, unless said. */
  readonly by?: "gtid" | "position";
  /** The source says that it is alive this often when nothing happens. Default 10 s. */
  readonly heartbeatMs?: number;
  /** Ends at the present end of the log instead of waiting for more. */
  readonly untilEnd?: boolean;
  /** Connections that fail one after the other, without an event between them, before it gives up. Default 20. */
  readonly retryCountMax?: number;
  readonly eventBytesMax?: number;
  readonly signal?: AbortSignal;
  /** Told each time a connection is made again, with what broke the one before. */
  readonly onReconnect?: (error: Error, from: Position) => void;
}

/** Bytes of events that may wait for the reader; the socket is paused beyond. */
const aheadBytesMax = 1024 * 1024;
const comRegisterSlave = 0x15;
const comBinlogDump = 0x12;
const comBinlogDumpGtid = 0x1e;
const dumpNonBlocking = 1;
const offset32Max = 0xffff_ffff;

/** Errors of the server after which connecting again can help: shutdown, kill, lost connection, too many connections. */
const passingErrors: ReadonlySet<number> = new Set([
  1040, 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1203, 1317, 1927, 2006, 2013, 3159, 4031,
]);

interface RawBatch {
  readonly packets: readonly Buffer[];
  readonly sizeBytes: number;
}

/**
 * Batches of events as they arrive. Errors: coded 36069 when the source refuses, sends what cannot be read, or cannot be
 * reached `retryCountMax` times; the abort reason when `signal` aborts.
 */
export async function* openBinlogStream(
  world: World,
  endpoint: MysqlEndpoint,
  options: BinlogStreamOptions,
): AsyncGenerator<readonly BinlogEvent[], void, void> {
  const progress = new Progress(options.start);
  const byGtid = (options.by ?? (options.start.gtidSet === null ? "position" : "gtid")) === "gtid";
  const retryCountMax = options.retryCountMax ?? 20;
  const backoff = new Backoff({ minMs: 100, maxMs: 5000 }, () => world.random.float());
  let failures = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      for await (const events of streamOnce(world, endpoint, options, progress, byGtid)) {
        const fresh = progress.take(events);
        if (fresh.length === 0) continue;
        failures = 0;
        backoff.reset();
        yield fresh;
      }
      return;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof MalformedBinlogError) throw binlogErrors.getEvent([error.message], error);
      const canHelp = error instanceof MysqlConnectionError || (error instanceof MysqlServerError && passingErrors.has(error.errno));
      if (!canHelp) {
        if (error instanceof MysqlServerError) throw binlogErrors.getEvent([serverText(error)], error);
        throw error;
      }
      if (++failures > retryCountMax) throw binlogErrors.getEvent([error.message], error);
      options.onReconnect?.(error, progress.restart);
      progress.reconnect();
      await world.clock.sleep(backoff.next(), options.signal);
    }
  }
}

function serverText(error: MysqlServerError): string {
  return `ERROR ${error.errno} (${error.sqlState}): ${error.serverMessage}`;
}

/** What was handed over, so that a new connection repeats nothing. */
class Progress {
  /** After the last transaction that was handed over whole. */
  restart: Position;
  /** Events handed over since. */
  #since = 0;
  /** Events of the new connection that were handed over by an earlier one. */
  #toSkip = 0;
  #gtid: string | null = null;
  #isReconnected = false;
  #file: string;

  constructor(start: Position) {
    this.restart = start;
    this.#file = start.file;
  }

  reconnect(): void {
    this.#toSkip = this.#since;
    this.#isReconnected = true;
  }

  /** Those that are new. */
  take(events: readonly BinlogEvent[]): readonly BinlogEvent[] {
    if (this.#toSkip === 0 && !this.#isReconnected) {
      for (const event of events) this.#note(event);
      return events;
    }
    return events.filter((event) => this.#isNew(event));
  }

  #isNew(event: BinlogEvent): boolean {
    if (isFrame(event)) {
      // The new connection's own beginning: known, unless it is in another file.
      const isKnown = this.#isReconnected && (event.kind !== "rotate" || event.nextFile === this.#file);
      if (!isKnown) this.#note(event);
      return !isKnown;
    }
    this.#isReconnected = event.kind === "heartbeat" ? this.#isReconnected : false;
    if (event.kind === "heartbeat") return true;
    if (this.#toSkip === 0) {
      this.#note(event);
      return true;
    }
    if (event.kind === "gtid" && event.gtid !== this.#gtid) {
      throw new MalformedBinlogError(
        `after connecting again the source goes on with transaction ${event.gtid}, in the middle of ${this.#gtid}`,
      );
    }
    this.#toSkip--;
    return false;
  }

  #note(event: BinlogEvent): void {
    if (event.kind === "rotate") this.#file = event.nextFile;
    if (event.kind === "heartbeat") return;
    if (event.endsTransaction || (this.#since === 0 && isFrame(event))) {
      this.restart = event.end;
      this.#since = 0;
      return;
    }
    if (isFrame(event)) return;
    if (event.kind === "gtid") this.#gtid = event.gtid;
    this.#since++;
  }
}

/** Events that frame a log and belong to no transaction: a new connection may show more of them than the one before did. */
function isFrame(event: BinlogEvent): boolean {
  return (
    event.kind === "rotate" || event.kind === "format" || event.kind === "previousGtids" || event.kind === "stop" || event.kind === "other"
  );
}

async function* streamOnce(
  world: World,
  endpoint: MysqlEndpoint,
  options: BinlogStreamOptions,
  progress: Progress,
  byGtid: boolean,
): AsyncGenerator<readonly BinlogEvent[], void, void> {
  const { restart } = progress;
  const eventBytesMax = options.eventBytesMax ?? eventBytesMaxDefault;
  const heartbeatMs = options.heartbeatMs ?? 10_000;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const connection = await openSocketConnection(world, { ...endpoint, session: {} }, { mode: "text", ...signal });
  const onAbort = () => connection.destroy();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  let watch: { cancel(): void } | undefined;
  try {
    const hasChecksums = await prepare(connection, restart, heartbeatMs, byGtid, options.signal);
    // Offsets over 32 bits cannot be asked for: such a file is read from its head, and what was seen is dropped.
    const isFar = !byGtid && restart.offset > offset32Max;
    const from: Position = byGtid
      ? { file: "", offset: firstOffset, gtidSet: restart.gtidSet }
      : isFar
        ? { ...restart, offset: firstOffset }
        : restart;
    const decoder = new BinlogDecoder({ tools: binlogTools, fromFile: false, start: from, hasChecksums, eventBytesMax });
    const channel = new Channel<RawBatch>(aheadBytesMax, (batch) => batch.sizeBytes);
    const answer = new DumpAnswer(connection, channel);
    connection.socket.send(framePacket(registerPacket(options.serverId, endpoint.port), 0), answer.registration);
    connection.socket.send(framePacket(dumpPacket(connection, from, options, byGtid), 0), answer);
    watch = watchSilence(world, connection, answer, heartbeatMs);
    for await (const { packets } of channel) {
      let batch: BinlogEvent[] = [];
      for (const packet of packets) {
        const event = decoder.decode(packet);
        if (isFar && decoder.position.file === restart.file && decoder.position.offset <= restart.offset) continue;
        if (event.kind !== "payload") {
          batch.push(event);
          continue;
        }
        if (batch.length > 0) yield batch;
        batch = [];
        yield* unpackPayload(decoder, event, eventBytesMax);
      }
      answer.resumeWhenDrained();
      if (batch.length > 0) yield batch;
    }
  } finally {
    watch?.cancel();
    options.signal?.removeEventListener("abort", onAbort);
    connection.destroy();
  }
}

/** A source that says nothing for three heartbeats is gone, whatever the network thinks. */
function watchSilence(world: World, connection: SocketConnection, answer: DumpAnswer, heartbeatMs: number): { cancel(): void } {
  const silentMsMax = Math.max(3 * heartbeatMs, 1000);
  let heardMs = world.clock.monotonicMs();
  let heardPackets = answer.packetCount;
  const check = () => {
    const nowMs = world.clock.monotonicMs();
    if (answer.packetCount !== heardPackets || answer.isPaused) {
      heardPackets = answer.packetCount;
      heardMs = nowMs;
    } else if (nowMs - heardMs > silentMsMax) {
      connection.socket.destroy(
        new MysqlConnectionError("ETIMEDOUT", connection.endpoint, `the source said nothing for ${Math.round(nowMs - heardMs)} ms`),
      );
      return;
    }
    timer = world.clock.timer(heartbeatMs, check);
  };
  let timer = world.clock.timer(heartbeatMs, check);
  return { cancel: () => timer.cancel() };
}

/** Tells the server what this replica understands; true when the stream will have checksums. */
async function prepare(
  connection: SocketConnection,
  start: Position,
  heartbeatMs: number,
  byGtid: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const period = Math.round(heartbeatMs * 1_000_000);
  const isMariadb = connection.flavor === "mariadb";
  const names = isMariadb ? ["master"] : ["master", "source"];
  const assignments = names.flatMap((name) => [
    `@${name}_binlog_checksum = @@global.binlog_checksum`,
    `@${name}_heartbeat_period = ${period}`,
  ]);
  // While the reader is slow the source must wait, not hang up.
  assignments.push("net_write_timeout = 28800", "net_read_timeout = 28800");
  if (isMariadb) {
    assignments.push("@mariadb_slave_capability = 4");
    if (byGtid) {
      const state = start.gtidSet instanceof MariadbGtidSet ? start.gtidSet.toString() : "";
      assignments.push(`@slave_connect_state = '${state}'`, "@slave_gtid_strict_mode = 0", "@slave_gtid_ignore_duplicates = 0");
    }
  }
  await connection.execute(`SET ${assignments.join(", ")}`, signal);
  const { rows } = await connection.query("SELECT @@global.binlog_checksum", signal);
  return rows[0]?.[0] === "CRC32";
}

function registerPacket(serverId: number, port: number): Uint8Array {
  const writer = new ByteWriter(64, 1024);
  writer
    .u8(comRegisterSlave)
    .u32(serverId)
    .u8(0)
    .u8(0)
    .u8(0)
    .u16(port & 0xffff)
    .u32(0)
    .u32(0);
  return writer.take();
}

function dumpPacket(connection: SocketConnection, from: Position, options: BinlogStreamOptions, byGtid: boolean): Uint8Array {
  const flags = options.untilEnd === true ? dumpNonBlocking : 0;
  const writer = new ByteWriter(256, 1024 * 1024 * 256);
  if (byGtid && connection.flavor === "mysql") {
    const set = (from.gtidSet instanceof MysqlGtidSet ? from.gtidSet : new MysqlGtidSet()).encode();
    writer
      .u8(comBinlogDumpGtid)
      .u16(flags | 4)
      .u32(options.serverId)
      .u32(0)
      .u64(BigInt(firstOffset))
      .u32(set.length)
      .bytes(set);
  } else {
    writer.u8(comBinlogDump).u32(from.offset).u16(flags).u32(options.serverId).bytes(Buffer.from(from.file, "utf8"));
  }
  return writer.take();
}

/** The endless answer to a dump command: each packet is 0x00 and an event. */
class DumpAnswer implements Answer {
  /** For the registration, which is sent first; a refusal is not fatal: the dump says the same in better words. */
  readonly registration: Answer = { onPacket: () => true, onFailure: () => {} };
  readonly #connection: SocketConnection;
  readonly #channel: Channel<RawBatch>;
  #packets: Buffer[] = [];
  #sizeBytes = 0;
  #waiting: RawBatch[] = [];
  packetCount = 0;
  isPaused = false;

  constructor(connection: SocketConnection, channel: Channel<RawBatch>) {
    this.#connection = connection;
    this.#channel = channel;
  }

  onPacket(bytes: Buffer, start: number, end: number): boolean {
    this.packetCount++;
    const first = bytes[start];
    if (first === 0) {
      this.#packets.push(bytes.subarray(start + 1, end));
      this.#sizeBytes += end - start;
      return false;
    }
    this.onChunkEnd();
    if (first === 0xff) {
      const { errno, sqlState, message } = parseErr(bytes, start, end);
      this.onFailure(new MysqlServerError(errno, sqlState, message));
      return true;
    }
    if (!isEof(bytes, start, end)) throw new Error("a packet of the binlog begins with an unknown byte");
    this.#isEnded = true;
    if (this.#waiting.length === 0) this.#channel.close();
    return true;
  }

  #isEnded = false;
  #failure: Error | undefined;

  onChunkEnd(): void {
    if (this.#packets.length === 0) return;
    const batch: RawBatch = { packets: this.#packets, sizeBytes: this.#sizeBytes };
    this.#packets = [];
    this.#sizeBytes = 0;
    if (this.#waiting.length === 0 && this.#channel.trySend(batch)) return;
    this.#waiting.push(batch);
    this.isPaused = true;
    this.#connection.socket.pause();
  }

  /** The reader took a batch: what waited goes in, and the socket flows again once there is room. */
  resumeWhenDrained(): void {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting[0] as RawBatch;
      if (!this.#channel.trySend(batch)) return;
      this.#waiting.shift();
    }
    if (this.#failure !== undefined) {
      if (this.#channel.length === 0) this.#channel.fail(this.#failure);
    } else if (this.#isEnded) this.#channel.close();
    else if (this.isPaused) {
      this.isPaused = false;
      this.#connection.socket.resume();
    }
  }

  /** Events that came before the failure are handed over first. */
  onFailure(error: Error): void {
    this.#failure ??= error;
    if (this.#waiting.length === 0 && this.#channel.length === 0) this.#channel.fail(this.#failure);
  }
}
