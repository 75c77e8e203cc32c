/** Dates and times from their stored forms, as the servers print them. */

// Texts are put together digit by digit in one place and become a string in one step: half the time of adding strings up.
const scratch = Buffer.alloc(32, "0") as Buffer & { latin1Slice(from: number, to: number): string };
const tens = Uint8Array.from({ length: 100 }, (_, value) => 48 + Math.trunc(value / 10));
const ones = Uint8Array.from({ length: 100 }, (_, value) => 48 + (value % 10));
const dash = 45;
const colon = 58;
const space = 32;
const dot = 46;

/** Two digits; values come from at most seven bits, and what is over 99 is no time that a server wrote. */
function put2(at: number, value: number): void {
  scratch[at] = value < 100 ? (tens[value] as number) : 57;
  scratch[at + 1] = value < 100 ? (ones[value] as number) : 57;
}

function putDate(at: number, year: number, month: number, day: number): number {
  const century = Math.trunc(year / 100);
  put2(at, century);
  put2(at + 2, year - century * 100);
  scratch[at + 4] = dash;
  put2(at + 5, month);
  scratch[at + 7] = dash;
  put2(at + 8, day);
  return at + 10;
}

function putClock(at: number, hour: number, minute: number, second: number): number {
  let from = at;
  if (hour > 99) {
    scratch[from++] = 48 + (Math.trunc(hour / 100) % 10);
    put2(from, hour % 100);
  } else put2(from, hour);
  scratch[from + 2] = colon;
  put2(from + 3, minute);
  scratch[from + 5] = colon;
  put2(from + 6, second);
  return from + 8;
}

/** `.123` from the stored fraction (hundredths in one byte, ten-thousandths in two, microseconds in three). */
function putFraction(at: number, value: number, digits: number): number {
  if (digits === 0) return at;
  scratch[at] = dot;
  const bytes = fractionBytes(digits);
  const micros = bytes === 3 ? value : bytes === 2 ? value * 100 : value * 10_000;
  const upper = Math.trunc(micros / 10_000);
  const lower = micros - upper * 10_000;
  const middle = Math.trunc(lower / 100);
  put2(at + 1, upper);
  put2(at + 3, middle);
  put2(at + 5, lower - middle * 100);
  return at + 1 + digits;
}

function written(from: number, to: number): string {
  return scratch.latin1Slice(from, to);
}

function dateText(year: number, month: number, day: number): string {
  return written(0, putDate(0, year, month, day));
}

/** Bytes of `digits` fractional digits. */
export function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

/** DATE: u24, day 5 bits, month 4 bits, year. */
export function storedDate(bytes: Uint8Array, at: number): string {
  const value = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return dateText(value >>> 9, (value >> 5) & 15, value & 31);
}

/** DATETIME(digits): 40 bits big endian (sign 1, year × 13 + month 17, day 5, hour 5, minute 6, second 6), then the fraction. */
export function storedDatetime(bytes: Uint8Array, at: number, digits: number): string {
  const b0 = bytes[at] as number;
  const b1 = bytes[at + 1] as number;
  const b2 = bytes[at + 2] as number;
  const b3 = bytes[at + 3] as number;
  const b4 = bytes[at + 4] as number;
  const yearMonth = ((b0 & 0x7f) << 10) | (b1 << 2) | (b2 >> 6);
  const year = Math.trunc(yearMonth / 13);
  const gap = putDate(0, year, yearMonth - year * 13, (b2 >> 1) & 31);
  scratch[gap] = space;
  const to = putClock(gap + 1, ((b2 & 1) << 4) | (b3 >> 4), ((b3 & 15) << 2) | (b4 >> 6), b4 & 63);
  return written(0, digits === 0 ? to : putFraction(to, bigEndian(bytes, at + 5, fractionBytes(digits)), digits));
}

/** TIMESTAMP(digits): seconds u32 big endian, then the fraction; in UTC. */
export function storedTimestamp(bytes: Uint8Array, at: number, digits: number): string {
  const to = putEpoch(bigEndian(bytes, at, 4));
  return written(0, digits === 0 ? to : putFraction(to, bigEndian(bytes, at + 4, fractionBytes(digits)), digits));
}

/** TIME(digits): 24 bits and the fraction as one big endian number with an offset, so that it sorts; hours take 10 bits. */
export function storedTime(bytes: Uint8Array, at: number, digits: number): string {
  const extra = fractionBytes(digits);
  const unit = 256 ** extra;
  const value = bigEndian(bytes, at, 3 + extra) - 0x80_0000 * unit;
  const size = Math.abs(value);
  const whole = Math.trunc(size / unit);
  const from = value < 0 ? 1 : 0;
  scratch[0] = dash;
  const to = putClock(from, whole >> 12, (whole >> 6) & 63, whole & 63);
  return written(0, putFraction(to, size - whole * unit, digits));
}

/** TIME of before 5.6: i24 little endian, decimal hhmmss. */
export function storedOldTime(bytes: Uint8Array, at: number): string {
  const value = (((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)) << 8) >> 8;
  const size = Math.abs(value);
  scratch[0] = dash;
  return written(0, putClock(value < 0 ? 1 : 0, Math.trunc(size / 10_000), Math.trunc(size / 100) % 100, size % 100));
}

/** DATETIME of before 5.6: u64 little endian, decimal YYYYMMDDhhmmss. */
export function storedOldDatetime(bytes: Uint8Array, at: number): string {
  let value = 0;
  for (let index = 7; index >= 0; index--) value = value * 256 + (bytes[at + index] as number);
  const date = Math.trunc(value / 1_000_000);
  const clock = value - date * 1_000_000;
  const gap = putDate(0, Math.trunc(date / 10_000) % 10_000, Math.trunc(date / 100) % 100, date % 100);
  scratch[gap] = space;
  return written(0, putClock(gap + 1, Math.trunc(clock / 10_000), Math.trunc(clock / 100) % 100, clock % 100));
}

let cachedDay = -1;
const cachedDate = Buffer.alloc(10);

/** Seconds since 1970 in UTC; 0 is the servers' zero value. */
export function epochText(seconds: number): string {
  return written(0, putEpoch(seconds));
}

function putEpoch(seconds: number): number {
  scratch[10] = space;
  if (seconds === 0) {
    putDate(0, 0, 0, 0);
    return putClock(11, 0, 0, 0);
  }
  const day = Math.trunc(seconds / 86_400);
  if (day === cachedDay) scratch.set(cachedDate, 0);
  else {
    putDay(day);
    cachedDate.set(scratch.subarray(0, 10));
    cachedDay = day;
  }
  const rest = seconds - day * 86_400;
  const hour = Math.trunc(rest / 3600);
  const minute = Math.trunc((rest - hour * 3600) / 60);
  return putClock(11, hour, minute, rest - hour * 3600 - minute * 60);
}

/** Days since 1970 in the Gregorian calendar, counted from the 1st of March of year 0 so that leap days come last. */
function putDay(day: number): void {
  const shifted = day + 719_468;
  const era = Math.trunc(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.trunc(
    (dayOfEra - Math.trunc(dayOfEra / 1460) + Math.trunc(dayOfEra / 36_524) - Math.trunc(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.trunc(yearOfEra / 4) - Math.trunc(yearOfEra / 100));
  const monthFromMarch = Math.trunc((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.trunc((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  putDate(0, yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfMonth);
}

function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let index = 0; index < width; index++) value = value * 256 + (bytes[at + index] as number);
  return value;
}

/** The packed form inside JSON: i64 little endian, microseconds in the low 24 bits. */
export function packedTemporal(kind: "date" | "time" | "datetime", value: bigint): string {
  const size = value < 0n ? -value : value;
  const micros = Number(size & 0xff_ffffn);
  const upper = size >> 24n;
  if (kind === "time") {
    const whole = Number(upper & 0x3f_ffffn);
    scratch[0] = dash;
    const to = putClock(value < 0n ? 1 : 0, whole >> 12, (whole >> 6) & 63, whole & 63);
    return written(0, putFraction(to, micros, 6));
  }
  const clock = Number(upper & 0x1_ffffn);
  const yearMonthDay = Number(upper >> 17n);
  const yearMonth = yearMonthDay >> 5;
  const gap = putDate(0, Math.trunc(yearMonth / 13) % 10_000, yearMonth % 13, yearMonthDay & 31);
  if (kind === "date") return written(0, gap);
  scratch[gap] = space;
  return written(0, putFraction(putClock(gap + 1, clock >> 12, (clock >> 6) & 63, clock & 63), micros, 6));
}
