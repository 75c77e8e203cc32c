/** What the kernel says of a process: `man 5 proc`. Linux only. */
import { join } from "node:path";
import type { World } from "@skein/base";

/** Its clock ticks in these; the kernel says 100 on every machine of today. */
const ticksPerSecond = 100;
/** Fields of `/proc/PID/stat` behind the name, from 0: user time, and the system's after it; the same of children that were waited for. */
const ownTimeField = 11;
const endedChildrenField = 13;

/** Processor time of all of them together, of the user's and the system's kind, in seconds. */
export async function cpuSecondsOf(world: World, pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const pid of pids) sum += await cpuSeconds(world, String(pid), ownTimeField);
  return sum;
}

/** The same of this process's children that have ended. */
export function cpuSecondsOfEndedChildren(world: World): Promise<number> {
  return cpuSeconds(world, "self", endedChildrenField);
}

async function cpuSeconds(world: World, pid: string, field: number): Promise<number> {
  const stat = await textOf(world, `/proc/${pid}/stat`);
  // the name may have blanks: fields are counted behind it
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[field]) + Number(fields[field + 1])) / ticksPerSecond;
}

/** Resident MiB of the process now, and at most so far. Throws when it has ended. */
export async function memoryOf(world: World, pid: number): Promise<{ readonly nowMib: number; readonly peakMib: number }> {
  const status = await textOf(world, `/proc/${pid}/status`);
  const mib = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
    if (kib === undefined) throw new Error(`/proc/${pid}/status has no ${name}: process ${pid} has ended`);
    return Number(kib) / 1024;
  };
  return { nowMib: mib("VmRSS"), peakMib: mib("VmHWM") };
}

/** TCP ports of IPv4 that a process listens at. */
export async function listeningPorts(world: World, pid: number): Promise<number[]> {
  const folder = `/proc/${pid}/fd`;
  const open = (await world.disk.list(folder)).map((name) => join(folder, name));
  // one that was closed meanwhile makes the program fail, and is no socket that listens
  const { stdout } = await world.processes.run("readlink", open);
  const sockets = new Set(stdout.split("\n").map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const lines = (await textOf(world, `/proc/${pid}/net/tcp`)).split("\n").slice(1);
  return lines
    .map((line) => line.trim().split(/ +/))
    .filter((fields) => fields[3] === "0A" && sockets.has(fields[9]))
    .map((fields) => Number.parseInt(fields[1]?.split(":")[1] ?? "", 16))
    .sort((a, b) => a - b);
}

async function textOf(world: World, file: string): Promise<string> {
  return Buffer.from(await world.disk.readFile(file)).toString("latin1");
}
