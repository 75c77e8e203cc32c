const lengthMax = 300;

/** Why a process ended, from the last lines of its log: what was fatal, without what followed from it; else its last words. */
export function whyEnded(logEnd: string): string | null {
  const lines = logEnd.split("\n").filter((line) => line !== "");
  const line = lines.findLast((each) => each.includes("[FATAL]")) ?? lines.at(-1);
  if (line === undefined) return null;
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax - 1)}…`;
}
