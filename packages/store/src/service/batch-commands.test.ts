import { AnswerRoom, type StreamCall } from "@skein/rpc";
import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import type { tikvpb } from "../wire/index.ts";
import { defaultBatchLimits, serveBatchCommands } from "./batch-commands.ts";
import type { Command } from "./commands.ts";

const megabyte = 1024 * 1024;
const scan: Command = () => Promise.resolve({ pairs: [{ key: new Uint8Array(1), value: new Uint8Array(megabyte) }] });
const get: Command = () => Promise.resolve({ value: new Uint8Array(10) });
const commands = new Map([
  ["Scan", scan],
  ["Get", get],
]);

test("large answers that callers do not read share their room over all streams; who holds it for long is cut off", async () => {
  const simulation = new Simulation({ seed: 1 });
  const world = simulation.world("store");
  const room = new AnswerRoom(3.5 * megabyte, 10_000);
  const open = () => {
    const answers: string[] = [];
    let isCut = false;
    const call: StreamCall<tikvpb.BatchCommandsResponse> = {
      context: { signal: new AbortController().signal, peer: "p", metadata: () => null },
      send: ({ responses }) => {
        for (const response of responses ?? []) {
          const { kind, value } = response as { readonly kind: string; readonly value: { readonly region_error?: object } };
          answers.push(value.region_error === undefined ? kind : `${kind} busy`);
        }
        return false;
      },
      end: () => {},
      fail: () => {},
      cutOff: () => {
        isCut = true;
        listener.gone?.();
      },
      pause: () => {},
      resume: () => {},
    };
    const listener = serveBatchCommands(world, commands, call, defaultBatchLimits, room);
    const ask = async (kind: "Scan" | "Get") => {
      listener.message({ requests: [{ kind, value: {} }] as never, request_ids: [1] });
      await simulation.pass(100);
    };
    return { answers, ask, listener, isCut: () => isCut };
  };
  const streams = [open(), open(), open(), open()] as const;
  for (const { ask } of streams) await ask("Scan");
  expect(streams.map(({ answers }) => answers)).toEqual([["Scan"], ["Scan"], ["Scan"], ["Scan busy"]]);
  // What is small always passes, and what was read makes room.
  const [first, second, , last] = streams;
  last.listener.drained?.();
  await last.ask("Get");
  first.listener.drained?.();
  last.listener.drained?.();
  await last.ask("Scan");
  expect(last.answers).toEqual(["Scan busy", "Get", "Scan"]);
  expect(room.used).toBeGreaterThan(3 * megabyte);
  await simulation.pass(10_000);
  await first.ask("Scan");
  expect([first.answers, second.isCut(), last.isCut()]).toEqual([["Scan", "Scan"], true, false]);
  for (const { listener } of streams) listener.gone?.();
  expect(room.used).toBe(0);
});
