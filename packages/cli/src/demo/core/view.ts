/** The live view as lines of text. */

export interface DemoView {
  /** While following, all that was there at the start is copied; the application deletes and adds rows. */
  readonly phase: "copying" | "following";
  readonly elapsedSeconds: number;
  readonly worker: string;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly totalRows: number }[];
  readonly rowsPerSecond: number;
  /** Of the copy. */
  readonly etaSeconds: number | null;
  readonly written: { readonly transactions: number; readonly perSecond: number };
  /** Source commit → visible in the target, by a row that is written every 200 ms; null while it is not known. */
  readonly lagMs: number | null;
}

export function renderView(view: DemoView, columns: number): string[] {
  const rows = view.tables.reduce((sum, table) => sum + Math.min(table.rows, table.totalRows), 0);
  const total = view.tables.reduce((sum, table) => sum + table.totalRows, 0);
  const nameWidth = Math.max(...view.tables.map(({ name }) => name.length));
  const countWidth = grouped(Math.max(...view.tables.map(({ totalRows }) => totalRows))).length;
  const barWidth = Math.max(10, Math.min(40, columns - nameWidth - 2 * countWidth - 20));
  const line = (name: string, done: number, all: number) =>
    `  ${name.padEnd(nameWidth)} ${bar(all === 0 ? 1 : done / all, barWidth)} ${grouped(done).padStart(countWidth)} of ${grouped(all).padStart(countWidth)}`;
  return [
    `${view.phase} · ${clock(view.elapsedSeconds)} · worker ${view.worker}`,
    ...view.tables.map(({ name, rows: done, totalRows }) => line(name, Math.min(done, totalRows), totalRows)),
    ...(view.phase === "copying"
      ? [
          `  ${percent(total === 0 ? 1 : rows / total)} copied · ${grouped(Math.round(view.rowsPerSecond))} rows/s${view.etaSeconds === null ? "" : ` · done in ${clock(view.etaSeconds)}`}`,
        ]
      : []),
    `  writer: ${grouped(view.written.transactions)} transactions (${grouped(Math.round(view.written.perSecond))}/s) · lag ${lagText(view.lagMs)}`,
  ].map((text) => (text.length > columns ? `${text.slice(0, columns - 1)}…` : text));
}

/** One line, for logs and pipes. */
export function renderLine(view: DemoView): string {
  const rows = view.tables.reduce((sum, table) => sum + Math.min(table.rows, table.totalRows), 0);
  const total = view.tables.reduce((sum, table) => sum + table.totalRows, 0);
  return (
    `${view.phase}: ` +
    (view.phase === "copying" ? `${percent(total === 0 ? 1 : rows / total)}, ${grouped(Math.round(view.rowsPerSecond))} rows/s, ` : "") +
    `${grouped(view.written.transactions)} transactions written meanwhile, lag ${lagText(view.lagMs)}, worker ${view.worker}`
  );
}

const bar = (part: number, width: number) => {
  const full = Math.max(0, Math.min(width, Math.round(part * width)));
  return `${"█".repeat(full)}${"░".repeat(width - full)}`;
};
export const grouped = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, " ");
export const percent = (part: number): string => `${Math.floor(part * 100)} %`;
const clock = (seconds: number) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const lagText = (lagMs: number | null) =>
  lagMs === null ? "–" : lagMs < 10_000 ? `${Math.round(lagMs)} ms` : `${(lagMs / 1000).toFixed(1)} s`;
