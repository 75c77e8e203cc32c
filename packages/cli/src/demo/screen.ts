/** Where the demo tells its story: lines that stay, and on a terminal a view below them that is drawn over. */
import type { Io } from "../command.ts";
import { type DemoView, renderLine, renderView } from "./core/view.ts";

export interface Screen {
  /** A line that stays. */
  say(text: string): void;
  /** The view, drawn over the last one; without a terminal a line now and then. */
  show(view: DemoView): void;
  /** Lines that are drawn over. Nothing without a terminal. */
  draw(lines: readonly string[]): void;
  /** Takes the view away. */
  clear(): void;
}

/** Without a terminal: one line of so many views. */
const viewsPerLine = 5;

export function createScreen(io: Io): Screen {
  let drawn = 0;
  let views = 0;
  const clear = () => {
    if (drawn > 0) io.write(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  const draw = (lines: readonly string[]) => {
    if (!io.isTerminal) return;
    clear();
    io.write(`${lines.join("\n")}\n`);
    drawn = lines.length;
  };
  return {
    say: (text) => {
      clear();
      io.out(text);
    },
    show: (view) => {
      if (io.isTerminal) draw(renderView(view, io.columns));
      else if (views++ % viewsPerLine === 0) io.out(renderLine(view));
    },
    draw,
    clear,
  };
}
