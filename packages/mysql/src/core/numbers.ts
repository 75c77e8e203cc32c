/** Numbers as the servers store and print them. */

const digitBytes = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;

/** Bytes that a DECIMAL(precision, scale) takes: groups of nine digits in four bytes, the rest in as few as hold them. */
export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale;
  return Math.trunc(whole / 9) * 4 + (digitBytes[whole % 9] as number) + Math.trunc(scale / 9) * 4 + (digitBytes[scale % 9] as number);
}

const zeros = ["", "0", "00", "000", "0000", "00000", "000000", "0000000", "00000000", "000000000"] as const;

function padded(value: number, width: number): string {
  const text = `${value}`;
  return text.length >= width ? text : `${zeros[width - text.length]}${text}`;
}

/** A stored DECIMAL as text with exactly `scale` digits after the point: `-12.50`. The first bit is the sign, inverted; negative ones are inverted whole. */
export function decimalText(bytes: Uint8Array, start: number, precision: number, scale: number): string {
  const flip = ((bytes[start] as number) & 0x80) === 0 ? 0xff : 0;
  const whole = precision - scale;
  let at = start;
  let first = true;
  const group = (width: number): number => {
    let value = 0;
    for (let index = 0; index < width; index++) {
      let byte = (bytes[at++] as number) ^ flip;
      if (first) {
        byte ^= 0x80;
        first = false;
      }
      value = value * 256 + byte;
    }
    return value;
  };
  let text = "";
  const lead = whole % 9;
  if (lead > 0) {
    const value = group(digitBytes[lead] as number);
    if (value !== 0) text = `${value}`;
  }
  for (let index = Math.trunc(whole / 9); index > 0; index--) {
    const value = group(4);
    if (text !== "") text += padded(value, 9);
    else if (value !== 0) text = `${value}`;
  }
  if (text === "") text = "0";
  if (scale > 0) {
    text += ".";
    for (let index = Math.trunc(scale / 9); index > 0; index--) text += padded(group(4), 9);
    const rest = scale % 9;
    if (rest > 0) text += padded(group(digitBytes[rest] as number), rest);
  }
  return flip === 0 ? text : `-${text}`;
}

/** The double whose shortest text is the shortest one that reads back as the same float32: 0.1 and not 0.10000000149011612. */
export function shortFloat(value: number): number {
  if (Number.isInteger(value) || !Number.isFinite(value)) return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
