/** What the system says of a process's sockets. */
import { readdir, readFile, readlink } from "node:fs/promises";

/** TCP ports of IPv4 that a process listens at. */
export async function listeningPorts(pid: number): Promise<number[]> {
  const links = await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  const sockets = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const lines = (await readFile(`/proc/${pid}/net/tcp`, "utf8")).split("\n").slice(1);
  return lines
    .map((line) => line.trim().split(/ +/))
    .filter((fields) => fields[3] === "0A" && sockets.has(fields[9]))
    .map((fields) => Number.parseInt(fields[1]?.split(":")[1] ?? "", 16))
    .sort((a, b) => a - b);
}
