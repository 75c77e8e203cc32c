import { expect, test } from "vitest";
import { demoTables } from "./dataset.ts";
import { type DemoView, renderLine, renderView } from "./view.ts";

const view: DemoView = {
  phase: "copying",
  elapsedSeconds: 63,
  worker: "worker-2",
  tables: [
    { name: "shop.ord", rows: 500_000, totalRows: 1_000_000 },
    { name: "crm.contact", rows: 20, totalRows: 10 },
  ],
  rowsPerSecond: 123_456.7,
  etaSeconds: 4.2,
  written: { transactions: 1234, perSecond: 250.4 },
  lagMs: 12_345,
};

test("the view fits the terminal and shows no more than all", () => {
  const lines = renderView(view, 60);
  expect(lines[0]).toBe("copying · 1:03 · worker worker-2");
  expect(lines[1]).toMatch(/^ {2}shop\.ord {4}█+░+ {3}500 000 of 1 000 000$/);
  expect(lines[2]).toMatch(/^ {2}crm\.contact █+ +10 of +10$/);
  expect(lines.slice(3)).toEqual(["  50 % copied · 123 457 rows/s · done in 0:04", "  writer: 1 234 transactions (250/s) · lag 12.3 s"]);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  for (const line of renderView(view, 30)) expect(line.length).toBeLessThanOrEqual(30);
  expect(renderLine(view)).toBe("copying: 50 %, 123 457 rows/s, 1 234 transactions written meanwhile, lag 12.3 s, worker worker-2");
});

test("the tables' shares make the whole", () => {
  const rows = demoTables(3_000_000).reduce((sum, table) => sum + table.rows, 0);
  expect(rows).toBe(3_000_000);
});
