/**
 * Many commands on one stream: each is answered when it is done, and what is done in one turn goes out in one message.
 *
 * Bounds: with `commandsMax` under way, or while the other side does not read its answers, no more requests are taken from the
 * stream; what was taken is finished and waits to be sent.
 */
import type { World } from "@skein/base";
import type { StreamCall, StreamListener } from "@skein/rpc";
import type { tikvpb } from "../wire/index.ts";
import type { Command } from "./commands.ts";

export interface BatchLimits {
  readonly commandsMax: number;
  /** Answers in one message. */
  readonly answersMax: number;
}
export const defaultBatchLimits: BatchLimits = { commandsMax: 4096, answersMax: 512 };

interface Answer {
  readonly kind: string;
  readonly value: object;
}

export function serveBatchCommands(
  world: World,
  commands: ReadonlyMap<string, Command>,
  call: StreamCall<tikvpb.BatchCommandsResponse>,
  limits: BatchLimits = defaultBatchLimits,
): StreamListener<tikvpb.BatchCommandsRequest> {
  let answers: (Answer | null)[] = [];
  let ids: number[] = [];
  let underWay = 0;
  let isDue = false;
  let isBlocked = false;
  let isPaused = false;
  let isEnding = false;
  let isGone = false;
  const signal = () => call.context.signal;

  const adjust = () => {
    const shouldPause = isBlocked || underWay >= limits.commandsMax;
    if (shouldPause === isPaused || isGone) return;
    isPaused = shouldPause;
    if (shouldPause) call.pause();
    else call.resume();
  };
  const flush = () => {
    isDue = false;
    if (isGone) return;
    while (ids.length > 0 && !isBlocked) {
      const some = answers.length > limits.answersMax;
      const responses = some ? answers.splice(0, limits.answersMax) : answers;
      const request_ids = some ? ids.splice(0, limits.answersMax) : ids;
      if (!some) {
        answers = [];
        ids = [];
      }
      // A response without a member answers a request of a kind that is not known here.
      if (!call.send({ responses: responses as never, request_ids })) isBlocked = true;
    }
    if (isEnding && underWay === 0 && ids.length === 0) call.end();
    adjust();
  };
  const answer = (id: number, value: Answer | null) => {
    if (isGone) return;
    answers.push(value);
    ids.push(id);
    if (isDue || isBlocked) return;
    isDue = true;
    world.clock.afterTurn(flush);
  };

  return {
    message: ({ requests, request_ids: requestIds }) => {
      for (let index = 0; index < requests.length; index++) {
        const id = requestIds[index];
        if (id === undefined) break; // without an id nobody could tell whose the answer is
        const request = requests[index] as { readonly kind: string; readonly value: object } | null;
        if (request === null || request === undefined) {
          answer(id, null);
          continue;
        }
        const { kind, value } = request;
        if (kind === "Empty") {
          answer(id, { kind, value: { test_id: (value as tikvpb.BatchCommandsEmptyRequest).test_id } });
          continue;
        }
        const command = commands.get(kind);
        if (command === undefined) {
          answer(id, null);
          continue;
        }
        underWay++;
        // Commands never reject.
        void command(value, signal).then((done) => {
          underWay--;
          answer(id, { kind, value: done });
        });
      }
      adjust();
    },
    end: () => {
      isEnding = true;
      flush();
    },
    drained: () => {
      isBlocked = false;
      flush();
    },
    gone: () => {
      isGone = true;
      answers = [];
      ids = [];
    },
  };
}
