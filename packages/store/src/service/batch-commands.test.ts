import { AnswerRoom, ByteBudget, type StreamCall } from "@skein/rpc";
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

test("what requests hold while they wait counts over all streams, with what else has come; without room the server is busy", async () => {
  const simulation = new Simulation({ seed: 2 });
  const world = simulation.world("store");
  const received = new ByteBudget(3 * megabyte);
  const ends: (() => void)[] = [];
  const waits: Command = () =>
    new Promise((resolve) => {
      ends.push(() => resolve({}));
    });
  const open = () => {
    const answers: string[] = [];
    const call: StreamCall<tikvpb.BatchCommandsResponse> = {
      context: { signal: new AbortController().signal, peer: "p", metadata: () => null },
      send: ({ responses }) => {
        for (const response of responses ?? []) {
          const { value } = response as { readonly value: { readonly region_error?: { readonly message: string } } };
          answers.push(value.region_error?.message ?? "done");
        }
        return true;
      },
      end: () => {},
      fail: () => {},
      cutOff: () => {},
      pause: () => {},
      resume: () => {},
    };
    const table = new Map([
      ["Prewrite", waits],
      ["BatchGet", waits],
    ]);
    const listener = serveBatchCommands(world, table, call, { ...defaultBatchLimits, largeMax: 1 }, undefined, received);
    const ask = async (kind: string, value: object) => {
      listener.message({ requests: [{ kind, value }] as never, request_ids: [1] });
      await simulation.pass(10);
    };
    return { answers, ask, gone: () => listener.gone?.() };
  };
  const [first, second] = [open(), open()];
  const prewrite = { mutations: [{ key: new Uint8Array(10), value: new Uint8Array(megabyte) }] };
  const batchGet = { keys: [new Uint8Array(megabyte)] };
  await first.ask("Prewrite", prewrite);
  await first.ask("BatchGet", { keys: [] });
  await first.ask("BatchGet", batchGet); // stands in the line
  await second.ask("Prewrite", prewrite);
  expect([first.answers, second.answers]).toEqual([[], ["the server has no room for more requests"]]);
  expect(ends).toHaveLength(2);
  // Small ones pass, as they do elsewhere.
  await second.ask("Prewrite", { mutations: [] });
  expect(ends).toHaveLength(3);
  first.gone();
  await second.ask("Prewrite", prewrite);
  expect(second.answers).toHaveLength(1);
  for (const end of ends) end();
  await simulation.pass(10);
  expect(second.answers.slice(1)).toEqual(["done", "done"]);
  expect(received.used).toBe(0);
});
