/** Dates and times from their stored forms, as the servers print them. */

const two: readonly string[] = Array.from({ length: 100 }, (_, value) => (value < 10 ? `0${value}` : `${value}`));

function pad2(value: number): string {
  return two[value] ?? `${value}`;
}

function pad4(value: number): string {
  return pad2(Math.trunc(value / 100)) + pad2(value % 100);
}

export function dateText(year: number, month: number, day: number): string {
  return `${pad4(year)}-${pad2(month)}-${pad2(day)}`;
}

function clockText(hour: number, minute: number, second: number): string {
  return `${pad2(hour)}:${pad2(minute)}:${pad2(second)}`;
}

/** Bytes of `digits` fractional digits. */
export function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

/** `.123` from the stored fraction (hundredths in one byte, ten-thousandths in two, microseconds in three). */
function fractionText(value: number, digits: number): string {
  const width = fractionBytes(digits) * 2;
  return `.${`${value}`.padStart(width, "0").slice(0, digits)}`;
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
  const text = `${dateText(year, yearMonth - year * 13, (b2 >> 1) & 31)} ${clockText(((b2 & 1) << 4) | (b3 >> 4), ((b3 & 15) << 2) | (b4 >> 6), b4 & 63)}`;
  return digits === 0 ? text : text + fractionText(bigEndian(bytes, at + 5, fractionBytes(digits)), digits);
}

/** TIMESTAMP(digits): seconds u32 big endian, then the fraction; in UTC. */
export function storedTimestamp(bytes: Uint8Array, at: number, digits: number): string {
  const text = epochText(bigEndian(bytes, at, 4));
  return digits === 0 ? text : text + fractionText(bigEndian(bytes, at + 4, fractionBytes(digits)), digits);
}

/** TIME(digits): 24 bits and the fraction as one big endian number with an offset, so that it sorts; hours take 10 bits. */
export function storedTime(bytes: Uint8Array, at: number, digits: number): string {
  const extra = fractionBytes(digits);
  const unit = 256 ** extra;
  const value = bigEndian(bytes, at, 3 + extra) - 0x80_0000 * unit;
  const size = Math.abs(value);
  const whole = Math.trunc(size / unit);
  const text = `${value < 0 ? "-" : ""}${clockText(whole >> 12, (whole >> 6) & 63, whole & 63)}`;
  return digits === 0 ? text : text + fractionText(size - whole * unit, digits);
}

/** TIME of before 5.6: i24 little endian, decimal hhmmss. */
export function storedOldTime(bytes: Uint8Array, at: number): string {
  const value = (((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)) << 8) >> 8;
  const size = Math.abs(value);
  return `${value < 0 ? "-" : ""}${clockText(Math.trunc(size / 10_000), Math.trunc(size / 100) % 100, size % 100)}`;
}

/** DATETIME of before 5.6: u64 little endian, decimal YYYYMMDDhhmmss. */
export function storedOldDatetime(bytes: Uint8Array, at: number): string {
  let value = 0;
  for (let index = 7; index >= 0; index--) value = value * 256 + (bytes[at + index] as number);
  const date = Math.trunc(value / 1_000_000);
  const clock = value - date * 1_000_000;
  return `${dateText(Math.trunc(date / 10_000), Math.trunc(date / 100) % 100, date % 100)} ${clockText(Math.trunc(clock / 10_000), Math.trunc(clock / 100) % 100, clock % 100)}`;
}

let cachedDay = -1;
let cachedDayText = "";

/** Seconds since 1970 in UTC; 0 is the servers' zero value. */
export function epochText(seconds: number): string {
  if (seconds === 0) return "0000-00-00 00:00:00";
  const day = Math.trunc(seconds / 86_400);
  if (day !== cachedDay) {
    cachedDay = day;
    cachedDayText = dayText(day);
  }
  const rest = seconds - day * 86_400;
  const hour = Math.trunc(rest / 3600);
  const minute = Math.trunc((rest - hour * 3600) / 60);
  return `${cachedDayText} ${clockText(hour, minute, rest - hour * 3600 - minute * 60)}`;
}

/** Days since 1970 in the Gregorian calendar, counted from the 1st of March of year 0 so that leap days come last. */
function dayText(day: number): string {
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
  return dateText(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfMonth);
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
  const fraction = `.${`${micros}`.padStart(6, "0")}`;
  if (kind === "time") {
    const whole = Number(upper & 0x3f_ffffn);
    return `${value < 0n ? "-" : ""}${clockText(whole >> 12, (whole >> 6) & 63, whole & 63)}${fraction}`;
  }
  const clock = Number(upper & 0x1_ffffn);
  const yearMonthDay = Number(upper >> 17n);
  const yearMonth = yearMonthDay >> 5;
  const date = dateText(Math.trunc(yearMonth / 13), yearMonth % 13, yearMonthDay & 31);
  return kind === "date" ? date : `${date} ${clockText(clock >> 12, (clock >> 6) & 63, clock & 63)}${fraction}`;
}
