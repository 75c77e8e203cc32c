/** The live table as lines of text. */

export interface StoreView {
  readonly name: string;
  /** Id in the cluster; null until the placement driver knows it. */
  readonly id: number | null;
  readonly process: "runs" | "dead" | "paused";
  readonly isCutOff: boolean;
  /** As the placement driver calls it: Up, Disconnected, Down, Offline, Tombstone; empty while it is not known. */
  readonly state: string;
  readonly labels: string;
  readonly regions: number | null;
  readonly leaders: number | null;
  /** Requests a second of clients; null while they cannot be asked. */
  readonly requestsPerSecond: number | null;
  /** `10MiB` */
  readonly used: string;
  readonly address: string;
}

export interface PdView {
  readonly name: string;
  readonly process: StoreView["process"];
  readonly isCutOff: boolean;
  readonly isLeader: boolean;
  readonly url: string;
}

export interface PlaygroundView {
  readonly pds: readonly PdView[];
  readonly stores: readonly StoreView[];
  /** Regions of the cluster; null while no placement driver answers. */
  readonly regions: number | null;
}

export function renderTable(view: PlaygroundView): string[] {
  const rows = [
    ["store", "id", "state", "process", "regions", "leaders", "req/s", "used", "labels", "address"],
    ...view.stores.map((store) => [
      store.name,
      store.id === null ? "–" : String(store.id),
      store.state === "" ? "–" : store.state,
      processText(store),
      count(store.regions),
      count(store.leaders),
      store.requestsPerSecond === null ? "–" : String(Math.round(store.requestsPerSecond)),
      store.used === "" ? "–" : store.used,
      store.labels === "" ? "–" : store.labels,
      store.address,
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length))) ?? [];
  const isNumber = (column: number) => column === 1 || (column >= 4 && column <= 7);
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  const sum = view.stores.reduce((total, { requestsPerSecond }) => total + (requestsPerSecond ?? 0), 0);
  const pds = view.pds.map((pd) => {
    const what = processText(pd);
    return `${pd.name} ${pd.url}${pd.isLeader ? " (leader)" : ""}${what === "runs" ? "" : ` (${what})`}`;
  });
  return [`${count(view.regions)} regions · ${Math.round(sum)} requests/s · ${pds.join(" · ")}`, ...lines];
}

export const fitted = (lines: readonly string[], columns: number): string[] =>
  lines.map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line));

const count = (value: number | null) => (value === null ? "–" : String(value));
const processText = ({ process, isCutOff }: { readonly process: StoreView["process"]; readonly isCutOff: boolean }) =>
  isCutOff && process !== "dead" ? (process === "paused" ? "paused, cut off" : "cut off") : process;
