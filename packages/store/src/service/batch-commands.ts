/**
 * Many commands on one stream: each is answered when it is done, and what is done in one turn goes out in one message.
 *
 * Bounds: while much is under way, or the other side does not read its answers, no more requests are taken from the stream.
 * Commands whose answers may be large stand in a line of their own: a few run at once, and none while finished answers pile up. Large
 * answers that are not read take room that all streams and unary calls of the process share: without room the answer is that the server is
 * busy, and who has held room for long without reading is cut off. Requests count until they are answered, with all else that the process
 * has received and not dealt with: commands that wait for latches or for a leader would hold theirs without end.
 */
import type { World } from "@skein/base";
import {
  type AnswerRoom,
  answerRoom,
  type ByteBudget,
  receivedBytes,
  type StreamCall,
  type StreamListener,
  smallAnswerBytes,
} from "@skein/rpc";
import type { tikvpb } from "../wire/index.ts";
import type { Command } from "./commands.ts";

export interface BatchLimits {
  readonly commandsMax: number;
  /** Commands with large answers that run at once. */
  readonly largeMax: number;
  /** Answers in one message. */
  readonly answersMax: number;
  /** Of one message, roughly; and of finished answers, until those with large ones wait. */
  readonly answerBytesMax: number;
}
export const defaultBatchLimits: BatchLimits = {
  commandsMax: 4096,
  largeMax: 8,
  answersMax: 512,
  answerBytesMax: 4 * 1024 * 1024,
};

const largeKinds: ReadonlySet<string> = new Set(["Scan", "BatchGet", "ScanLock", "RawScan", "RawBatchGet", "RawBatchScan"]);

interface Answer {
  readonly id: number;
  readonly kind: string;
  /** Null: the kind of the request is not known here. */
  readonly value: object | null;
  readonly bytes: number;
  /** Gives its room back, where it took any. */
  readonly free: (() => void) | null;
}

export function serveBatchCommands(
  world: World,
  commands: ReadonlyMap<string, Command>,
  call: StreamCall<tikvpb.BatchCommandsResponse>,
  limits: BatchLimits = defaultBatchLimits,
  room: AnswerRoom = answerRoom,
  received: ByteBudget = receivedBytes,
): StreamListener<tikvpb.BatchCommandsRequest> {
  let answers: Answer[] = [];
  let answerBytes = 0;
  let underWay = 0;
  let largeUnderWay = 0;
  let large: { readonly run: () => void; readonly bytes: number }[] = [];
  let isDue = false;
  let isBlocked = false;
  let isPaused = false;
  let isEnding = false;
  let isGone = false;
  /** Of answers that were sent and are not read. */
  let sent: (() => void)[] = [];
  const release = () => {
    for (const free of sent.splice(0)) free();
  };
  const signal = () => call.context.signal;

  const adjust = () => {
    const mayStart = () => !isBlocked && largeUnderWay < limits.largeMax && answerBytes < limits.answerBytesMax;
    while (large.length > 0 && mayStart()) large.shift()?.run();
    const shouldPause = isBlocked || underWay + large.length >= limits.commandsMax || large.length >= limits.largeMax;
    if (shouldPause === isPaused || isGone) return;
    isPaused = shouldPause;
    if (shouldPause) call.pause();
    else call.resume();
  };
  const flush = () => {
    isDue = false;
    if (isGone) return;
    let from = 0;
    while (from < answers.length && !isBlocked) {
      let bytes = 0;
      let to = from;
      const responses: ({ kind: string; value: object } | null)[] = [];
      const ids: number[] = [];
      for (; to < answers.length && ids.length < limits.answersMax && (to === from || bytes < limits.answerBytesMax); to++) {
        const { id, kind, value, bytes: size, free } = answers[to] as Answer;
        if (free !== null) sent.push(free);
        responses.push(value === null ? null : { kind, value });
        ids.push(id);
        bytes += size;
      }
      from = to;
      answerBytes -= bytes;
      // A response without a member answers a request of a kind that is not known here.
      if (!call.send({ responses: responses as never, request_ids: ids })) isBlocked = true;
      else release();
    }
    answers = from === answers.length ? [] : answers.slice(from);
    if (isEnding && underWay === 0 && large.length === 0 && answers.length === 0) call.end();
    adjust();
  };
  const answer = (id: number, kind: string, value: object | null) => {
    if (isGone) return;
    const bytes = value === null ? 0 : sizeOf(value);
    const free = bytes > smallAnswerBytes ? room.take(bytes, world.clock.monotonicMs(), () => call.cutOff()) : null;
    if (bytes > smallAnswerBytes && free === null) answers.push({ id, kind, value: noRoom, bytes: sizeOf(noRoom), free });
    else answers.push({ id, kind, value, bytes, free });
    answerBytes += answers.at(-1)?.bytes ?? 0;
    if (isDue || isBlocked) return;
    isDue = true;
    world.clock.afterTurn(flush);
  };
  const start = (id: number, kind: string, value: object, command: Command, isLarge: boolean, bytes: number) => {
    underWay++;
    if (isLarge) largeUnderWay++;
    // Commands never reject.
    void command(value, signal).then((done) => {
      underWay--;
      if (isLarge) largeUnderWay--;
      if (bytes > 0) received.free(bytes);
      answer(id, kind, done);
    });
  };

  return {
    message: ({ requests, request_ids: requestIds }) => {
      for (let index = 0; index < requests.length; index++) {
        const id = requestIds[index];
        if (id === undefined) break; // without an id nobody could tell whose the answer is
        const request = requests[index] as { readonly kind: string; readonly value: object } | null;
        const command = request === null ? undefined : commands.get(request.kind);
        if (request !== null && command !== undefined) {
          const { kind, value } = request;
          const bytes = countedBytes(value);
          if (bytes > 0 && !received.take(bytes)) answer(id, kind, tooMany);
          else if (largeKinds.has(kind)) large.push({ run: () => start(id, kind, value, command, true, bytes), bytes });
          else start(id, kind, value, command, false, bytes);
        } else if (request?.kind === "Empty") answer(id, "Empty", { test_id: (request.value as tikvpb.BatchCommandsEmptyRequest).test_id });
        else answer(id, "", null);
      }
      adjust();
    },
    end: () => {
      isEnding = true;
      flush();
    },
    drained: () => {
      isBlocked = false;
      release();
      flush();
    },
    gone: () => {
      isGone = true;
      release();
      for (const { free } of answers) free?.();
      answers = [];
      for (const { bytes } of large) received.free(bytes);
      large = [];
    },
  };
}

const noRoom = {
  region_error: {
    message: "the server has no room for more answers that are not read",
    server_is_busy: { reason: "answers that are not read", backoff_ms: 200 },
  },
};

const tooMany = {
  region_error: {
    message: "the server has no room for more requests",
    server_is_busy: { reason: "requests under way", backoff_ms: 200 },
  },
};

/** Smaller requests are not counted: their number has a limit. */
const countedBytesMin = 4096;

/** Bytes of what can be large in a request; 0 when it is not counted. */
function countedBytes(request: object): number {
  const { value, keys, mutations, pairs } = request as {
    readonly value?: Uint8Array;
    readonly keys?: readonly Uint8Array[];
    readonly mutations?: readonly { readonly key?: Uint8Array; readonly value?: Uint8Array }[];
    readonly pairs?: readonly { readonly key?: Uint8Array; readonly value?: Uint8Array }[];
  };
  let bytes = value?.length ?? 0;
  if (keys !== undefined) for (const key of keys) bytes += key.length;
  const list = mutations ?? pairs;
  if (list !== undefined) for (const { key, value: its } of list) bytes += (key?.length ?? 0) + (its?.length ?? 0);
  return bytes < countedBytesMin ? 0 : bytes;
}

/** Bytes of what can be large in an answer. */
function sizeOf(answer: object): number {
  const { value, values, pairs, kvs, locks } = answer as {
    readonly value?: Uint8Array;
    readonly values?: readonly Uint8Array[];
    readonly pairs?: readonly { readonly key?: Uint8Array; readonly value?: Uint8Array }[];
    readonly kvs?: readonly { readonly key?: Uint8Array; readonly value?: Uint8Array }[];
    readonly locks?: readonly unknown[];
  };
  let bytes = 64;
  if (value !== undefined) bytes += value.length;
  if (values !== undefined) for (const each of values) bytes += each.length;
  const list = pairs ?? kvs;
  if (list !== undefined) for (const pair of list) bytes += 16 + (pair.key?.length ?? 0) + (pair.value?.length ?? 0);
  if (locks !== undefined) bytes += locks.length * 128;
  return bytes;
}
