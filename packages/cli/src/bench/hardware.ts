/** What the machine can do at most, measured in a second or two: figures above it are measuring mistakes. */
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import type { World } from "@skein/base";
import { median } from "./core/summary.ts";

export interface Hardware {
  readonly cores: number;
  readonly processor: string;
  readonly memoryMib: number;
  readonly memoryCopyGibPerSecond: number;
  /** 4 KiB into a preallocated file, then fdatasync. */
  readonly durableWritesPerSecond: number;
}

export async function probeHardware(world: World, folder: string): Promise<Hardware> {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    memoryMib: Math.round(totalmem() / 2 ** 20),
    memoryCopyGibPerSecond: Number(copyRate(world).toFixed(1)),
    durableWritesPerSecond: Math.round(await durableWriteRate(world, join(folder, "durable-writes"))),
  };
}

function copyRate(world: World): number {
  const from = Buffer.alloc(128 * 1024 * 1024, 1);
  const to = Buffer.alloc(from.length, 2);
  const seconds: number[] = [];
  for (let i = 0; i < 5; i++) {
    const startedMs = world.clock.monotonicMs();
    from.copy(to);
    seconds.push((world.clock.monotonicMs() - startedMs) / 1000);
  }
  return from.length / 2 ** 30 / median(seconds);
}

async function durableWriteRate(world: World, path: string): Promise<number> {
  const block = 4096;
  const count = 1000;
  await using file = await world.disk.open(path, { create: true });
  await file.write(0, new Uint8Array(block * count));
  await file.sync();
  const startedMs = world.clock.monotonicMs();
  for (let i = 0; i < count; i++) {
    await file.write(i * block, world.random.bytes(block)); // new bytes each time: identical ones are not written
    await file.sync();
  }
  const rate = count / ((world.clock.monotonicMs() - startedMs) / 1000);
  await world.disk.remove(path);
  return rate;
}

export const describeHardware = (hardware: Hardware): string =>
  `${hardware.cores} × ${hardware.processor}, ${hardware.memoryMib} MiB; memory copy ${hardware.memoryCopyGibPerSecond} GiB/s, ` +
  `durable 4 KiB writes ${hardware.durableWritesPerSecond}/s`;
