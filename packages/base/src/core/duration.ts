/** Durations as config files and flags write them: `300ms`, `1.5h`, `2h45m`, `-10s`; the unit is required unless it is 0. */

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds, or null when the text is not a duration. */
export function parseDuration(text: string): number | null {
  const match = /^([+-]?)(.+)$/.exec(text);
  if (match === null) return null;
  const [, sign, body] = match as unknown as [string, string, string];
  if (body === "0") return 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0;
  let at = 0;
  while (at < body.length) {
    part.lastIndex = at;
    const piece = part.exec(body);
    if (piece === null) return null;
    total += Number(piece[1]) * (unitMs[piece[2] as string] as number);
    at = part.lastIndex;
  }
  return sign === "-" ? -total : total;
}

/** `1h0m0s`, `5m0s`, `1.5s`, `300ms`: the form in which Go programs, and so existing files and outputs, print them. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const sign = ms < 0 ? "-" : "";
  let left = Math.abs(ms);
  if (left < 1_000) {
    if (left >= 1) return `${sign}${trim(left)}ms`;
    return left >= 1e-3 ? `${sign}${trim(left * 1e3)}µs` : `${sign}${trim(left * 1e6)}ns`;
  }
  const hours = Math.floor(left / 3_600_000);
  left -= hours * 3_600_000;
  const minutes = Math.floor(left / 60_000);
  left -= minutes * 60_000;
  const seconds = `${trim(left / 1_000)}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

function trim(value: number): string {
  return String(Number(value.toFixed(9)));
}
