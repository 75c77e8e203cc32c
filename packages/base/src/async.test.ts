import { describe, expect, test } from "vitest";
import { Channel } from "./channel.ts";
import { Backoff, Semaphore } from "./limits.ts";
import { TaskGroup } from "./task-group.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("Channel", () => {
  test("a full channel holds the sender back", async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    await channel.send(2);
    let sent = false;
    const third = channel.send(3).then(() => {
      sent = true;
    });
    await turn();
    expect(sent).toBe(false);
    expect(await channel.receive()).toBe(1);
    await third;
    channel.close();
    const rest: number[] = [];
    for await (const item of channel) rest.push(item);
    expect(rest).toEqual([2, 3]);
  });

  test("weights count, and one oversize item passes alone", async () => {
    const channel = new Channel<string>(10, (text) => text.length);
    expect(channel.trySend("x".repeat(100))).toBe(true);
    expect(channel.trySend("y")).toBe(false);
    channel.tryReceive();
    expect(channel.trySend("y")).toBe(true);
  });

  test("a failure reaches both sides", async () => {
    const channel = new Channel<number>(1);
    const receiving = channel.receive();
    channel.fail(new Error("broken"));
    await expect(receiving).rejects.toThrow("broken");
    await expect(channel.send(1)).rejects.toThrow("broken");
  });

  test("an aborted wait leaves the queue", async () => {
    const channel = new Channel<number>(1);
    const controller = new AbortController();
    const receiving = channel.receive(controller.signal);
    controller.abort(new Error("stop"));
    await expect(receiving).rejects.toThrow("stop");
    await channel.send(1);
    expect(await channel.receive()).toBe(1);
  });

  test("keeps order over many items", async () => {
    const channel = new Channel<number>(16);
    const producing = (async () => {
      for (let i = 0; i < 5000; i++) await channel.send(i);
      channel.close();
    })();
    let next = 0;
    for await (const item of channel) expect(item).toBe(next++);
    await producing;
    expect(next).toBe(5000);
  });
});

describe("TaskGroup", () => {
  test("the first failure aborts the siblings and is rethrown", async () => {
    await using group = new TaskGroup();
    let aborted = false;
    group.spawn(
      (signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => {
            aborted = true;
            reject(signal.reason);
          }),
        ),
    );
    group.spawn(async () => {
      throw new Error("first");
    });
    await expect(group.join()).rejects.toThrow("first");
    expect(aborted).toBe(true);
  });

  test("leaving the block aborts and awaits the children", async () => {
    let ended = false;
    {
      await using group = new TaskGroup();
      group.spawn(async (signal) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await turn();
        ended = true;
      });
    }
    expect(ended).toBe(true);
  });

  test("a parent's abort ends the group with the parent's reason", async () => {
    const parent = new AbortController();
    await using group = new TaskGroup(parent.signal);
    group.spawn((signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))));
    parent.abort(new Error("closing"));
    await expect(group.join()).rejects.toThrow("closing");
  });
});

describe("Semaphore", () => {
  test("serves waiters in order, never more than its limit", async () => {
    const semaphore = new Semaphore(1);
    const order: number[] = [];
    const first = await semaphore.acquire();
    const others = [1, 2, 3].map(async (id) => {
      using _held = await semaphore.acquire();
      order.push(id);
      await turn();
    });
    await turn();
    expect(order).toEqual([]);
    first[Symbol.dispose]();
    first[Symbol.dispose](); // releasing twice gives one place only
    await Promise.all(others);
    expect(order).toEqual([1, 2, 3]);
    expect(semaphore.held).toBe(0);
  });
});

describe("Backoff", () => {
  test("grows to its maximum and rolls back to its minimum", () => {
    const backoff = new Backoff({ minMs: 1_000, maxMs: 5_000, jitter: false }, () => 0);
    expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([1_000, 2_000, 4_000, 5_000]);
    backoff.rollback();
    expect(backoff.currentMs).toBe(2_500);
    for (let i = 0; i < 9; i++) backoff.rollback();
    expect(backoff.currentMs).toBe(1_000);
  });
});
