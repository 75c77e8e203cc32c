import { expect, test } from "vitest";
import type { Io } from "../command.ts";
import { createScreen } from "./screen.ts";

const goUp = (rows: number) => `\u001b[${rows}A\u001b[J`;

/** A terminal of this size; `written` is what came to it. */
function terminal(size: { columns: number; rows: number }) {
  const written: string[] = [];
  const io: Io = {
    out: (line) => void written.push(`${line}\n`),
    err: (line) => void written.push(`${line}\n`),
    write: (text) => void written.push(text),
    isTerminal: true,
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
  };
  return { io, written };
}

test("a view is never taller than the terminal: what has scrolled off could not be drawn over", () => {
  const { io, written } = terminal({ columns: 80, rows: 4 });
  const screen = createScreen(io);
  screen.draw(["a", "b", "c", "d", "e"]);
  screen.draw(["a", "b", "c"]);
  expect(written).toEqual(["a\nb\n… 3 more lines in a taller terminal\n", goUp(3), "a\nb\nc\n"]);
});

test("a terminal that was made narrower has broken the lines anew: all of their parts are taken away", () => {
  const size = { columns: 10, rows: 10 };
  const { io, written } = terminal(size);
  const screen = createScreen(io);
  screen.draw(["0123456789", "", "01234"]);
  size.columns = 4;
  screen.say("done");
  expect(written.slice(1)).toEqual([goUp(6), "done\n"]);
});

test("a terminal of one line shows no view", () => {
  const { io, written } = terminal({ columns: 80, rows: 1 });
  createScreen(io).draw(["a", "b"]);
  expect(written).toEqual([]);
});
